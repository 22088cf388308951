"""One number for each row: predictions, residuals, draws."""
