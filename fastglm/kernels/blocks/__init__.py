"""One block of rows in cache."""
