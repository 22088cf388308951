"""Results: the record of a fit, with the methods that answer questions of it."""

from fastglm.results.results import Results

__all__ = ["Results"]
