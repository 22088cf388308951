"""Where rows come from that need not fit into memory: files, streams and tables, by position."""
