"""Generalized linear models at the speed of reading the data, with R's numbers."""
