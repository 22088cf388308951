"""Compilation, caching and calls of kernels."""
