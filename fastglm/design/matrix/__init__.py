"""The design matrix as parts that lie where the data lies."""
