"""Responses beyond one mean: parameters of families that are estimated, and several predictors."""
