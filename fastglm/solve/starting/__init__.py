"""Starting values from a subsample."""
