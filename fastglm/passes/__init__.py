"""One pass over the rows at given coefficients."""
