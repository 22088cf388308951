"""How a fit does on rows, be they those of the fit or new ones."""
