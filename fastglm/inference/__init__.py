"""What follows a fit: covariance, tests, residuals, prediction, summary."""
