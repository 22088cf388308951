"""Covariances of estimates."""
