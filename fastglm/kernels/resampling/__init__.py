"""Kernels of resampled data."""
