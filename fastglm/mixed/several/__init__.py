"""Mixed models of several linear predictors, one of which has the random effects."""
