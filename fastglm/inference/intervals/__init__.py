"""Intervals of coefficients and predictions."""
