"""Averages of predictions, comparisons and slopes."""
