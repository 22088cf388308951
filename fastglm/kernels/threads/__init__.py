"""Number of threads, and the one parallel loop."""
