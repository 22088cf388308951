"""Tests of hypotheses, nested models and their tables."""
