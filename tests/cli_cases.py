"""Rows and arguments that tests of the command line share."""

ROWS = 300
MODEL = ("claims ~ x + region", "--family", "poisson", "--exposure", "years")
