"""Results: the record of a fit, with the methods that answer questions of it."""
