"""Formulas, data frames and arrays become designs that are never expanded."""
