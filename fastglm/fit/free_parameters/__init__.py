"""Families whose own parameter is estimated with the coefficients."""
