"""How far coefficients are estimated from the same information."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastglm.errors import ModelError
from fastglm.inference.hypothesis_tests.refits import require_unconstrained
from fastglm.inference.hypothesis_tests.tables import Table
from fastglm.inference.rendering import Rendered
from fastglm.inference.rows.term_contributions import model_terms

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.fit.record import Fit

__all__ = ["Collinearity", "collinearity", "variance_inflation"]


def variance_inflation(fit: Fit) -> Table:
    """Generalised variance inflation factors of the terms; see `Results.vif`."""
    require_unconstrained(fit)
    kept = np.flatnonzero(~np.isnan(fit.estimates))
    terms = [
        (name, np.intersect1d(np.arange(columns.start, columns.stop), kept))
        for name, columns in model_terms(fit)
    ]
    terms = [(name, columns) for name, columns in terms if columns.size]
    if len(terms) < 2:
        raise ModelError("variance inflation compares terms: the model needs two or more.")
    every = np.concatenate([columns for _, columns in terms])
    covariance = fit.information_inverse[np.ix_(every, every)]
    unit = 1.0 / np.sqrt(np.diag(covariance))
    correlation = covariance * np.outer(unit, unit)
    position = {int(column): k for k, column in enumerate(every)}
    whole = np.linalg.slogdet(correlation)[1]
    factors = []
    for _, columns in terms:
        own = np.array([position[int(column)] for column in columns])
        rest = np.setdiff1d(np.arange(every.size), own)
        parts = (np.linalg.slogdet(correlation[np.ix_(k, k)])[1] for k in (own, rest))
        factors.append(np.exp(sum(parts) - whole))
    df = np.array([columns.size for _, columns in terms], dtype=np.float64)
    gvif = np.array(factors)
    return Table(
        "Variance inflation factors",
        tuple(name for name, _ in terms),
        {"GVIF": gvif, "df": df, "GVIF^(1/(2df))": gvif ** (0.5 / df)},
    )


@dataclass(frozen=True, eq=False, repr=False)
class Collinearity(Rendered):
    """Condition indices, and which coefficients' variances each of them holds.

    Attributes
    ----------
    names : tuple of str
        Of the k coefficients that are not aliased.
    condition_index : ndarray, shape (k,)
        Increasing; the last is the condition number. Above 30 is serious.
    variance_proportions : ndarray, shape (k, k)
        A row for each index: its share of the variance of each coefficient. Two or more shares
        above one half beside a large index point to the columns behind it.
    """

    names: tuple[str, ...]
    condition_index: np.ndarray
    variance_proportions: np.ndarray

    def summary_frame(self) -> pd.DataFrame:
        """Indices and proportions, a pandas DataFrame of k rows."""
        import pandas as pd

        frame = pd.DataFrame(self.variance_proportions, columns=list(self.names))
        frame.insert(0, "condition index", self.condition_index)
        return frame

    def _cells(self) -> list[list[str]]:
        frame = self.summary_frame()
        rows = [["", *frame.columns]]
        for k, values in enumerate(frame.to_numpy()):
            rows.append([str(k + 1), *(f"{value:.3f}" for value in values)])
        return rows


def collinearity(fit: Fit) -> Collinearity:
    """Of the weighted columns, scaled to unit length; see `Results.collinearity`."""
    require_unconstrained(fit)
    kept = np.flatnonzero(~np.isnan(fit.estimates))
    inverse = fit.information_inverse[np.ix_(kept, kept)]
    length = np.sqrt(np.diag(np.linalg.inv(inverse)))
    # The eigenvalues that matter, the small ones of X'WX, are the large ones of its inverse.
    values, vectors = np.linalg.eigh(inverse * np.outer(length, length))
    parts = (vectors**2 * values).T
    return Collinearity(
        tuple(fit.names[k] for k in kept),
        np.sqrt(values / values[0]),
        parts / parts.sum(axis=0),
    )
