"""What is added up over blocks of rows."""
