"""Data frames of any library, read as columns."""
