"""Sources of rows that need not fit into memory: files, streams and tables, read by position."""
