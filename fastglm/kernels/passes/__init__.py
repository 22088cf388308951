"""Sums over blocks of rows."""
