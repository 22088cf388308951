"""Compiled log-likelihoods of one row, for several linear predictors."""
