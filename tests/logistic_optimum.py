"""The optimum of a logistic regression, by NumPy alone."""

import numpy as np
import scipy.sparse


def check_optimum(fit, y, X):
    """Estimates and standard errors against NumPy's, from close by."""
    X = X.toarray() if scipy.sparse.issparse(X) else X
    beta = np.asarray(fit.params)
    for _ in range(4):
        mean = 1.0 / (1.0 + np.exp(-X @ beta))
        information = (X.T * (mean * (1.0 - mean))) @ X
        beta = beta + np.linalg.solve(information, X.T @ (y - mean))
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    assert fit.converged
    np.testing.assert_allclose((fit.params - beta) / errors, 0.0, atol=1e-8)
    np.testing.assert_allclose(fit.bse, errors, rtol=1e-7)
