"""Row blocks of the derivatives of a family's log-likelihood under its link."""

from __future__ import annotations

import functools
from typing import Any, cast

import numpy as np

from fastglm.families.derivative_templates import canonical_rows, derivative_rows
from fastglm.families.family import Family
from fastglm.families.functions import ResponseFunctions
from fastglm.families.shared_functions import binary_difference, binary_unit_deviance
from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.compiler.templates import RowBlock

__all__ = ["LikelihoodDerivatives", "supports_derivatives"]


@inline
def no_parameter(y, mu, parameter):
    """No derivatives, of a family without a parameter."""
    return 0.0, 0.0, 0.0


class LikelihoodDerivatives:
    """The two row blocks of a family and its link.

    Parameters
    ----------
    family : Family
    binary : bool
        Whether every response is 0 or 1.

    Attributes
    ----------
    mean_rows, family_rows : RowBlock
    constant : float
        Under a canonical link, the score over the residual.
    has_parameter : bool
        Whether the buffers of the family's parameter are filled.
    """

    def __init__(self, family: Family, binary: bool = False):
        self.family = family
        canonical = family.has_canonical_link
        self.has_parameter = family.functions.of_parameter is not None
        self.constant = _constant(family) if canonical else 1.0
        self.mean_rows = cast("RowBlock", family.link.mean_rows)
        self.family_rows = _family_rows(family.functions, binary, canonical)

    @functools.cached_property
    def addresses(self) -> np.ndarray:
        """Of both row blocks."""
        return np.array([self.mean_rows.address, self.family_rows.address])

    def parameters(self, parameter: float, dispersion: float) -> np.ndarray:
        """Parameters of the blocks: of the family, dispersion, of the link, constant."""
        link = self.family.link.parameter
        return np.array([parameter, dispersion, link, self.constant])


def supports_derivatives(family: Family) -> bool:
    """Whether the derivatives of this family and link are known."""
    known = family.functions.variances is not None and family.link.mean_rows is not None
    return known and family.has_likelihood


def _constant(family: Family) -> float:
    """Slope over variance, under a canonical link: a multiple of one half."""
    eta = float(family.link(0.5))
    ratio = float(family.link.inverse_deriv(eta)) / float(family.variance(0.5))
    return round(2.0 * ratio) / 2.0


@functools.cache
def _family_rows(functions: ResponseFunctions, binary: bool, canonical: bool) -> RowBlock:
    bound = {
        "difference": binary_difference if binary else functions.difference,
        "unit_deviance": binary_unit_deviance if binary else functions.unit_deviance,
        "valid_mean": functions.valid_mean,
    }
    title = f"{functions.name}{'_binary' if binary else ''}"
    if canonical:
        return RowBlock(canonical_rows, f"canonical_derivatives_{title}", bound)
    bound |= {
        "variances": cast("Any", functions.variances),
        "of_parameter": functions.of_parameter or no_parameter,
    }
    return RowBlock(derivative_rows, f"derivatives_{title}", bound)
