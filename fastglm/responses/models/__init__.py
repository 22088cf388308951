"""The models of several linear predictors."""
