"""Base of links: the mean as a function of the linear predictor, and its inverse.

A link is three compiled scalar functions (`fastglm.families.links.functions`) and a row in the
registry `LINKS`. A link's parameter is data: it is never compiled in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.families.derivative_templates import mean_rows
from fastglm.families.evaluate import Frozen, evaluate
from fastglm.families.registry import CUSTOM_LINKS, link_class
from fastglm.families.row_templates import inverse_deriv2_rows, inverse_link_rows, link_rows
from fastglm.kernels.blocks.row_buffers import COMPLEMENT, LINEAR_PREDICTOR, MEAN, SCRATCH, SLOPE
from fastglm.kernels.compiler.templates import RowBlock

__all__ = ["Link", "compile_link"]


class Link(Frozen):
    """Base of all links. Immutable; two links are equal when class and parameter are.

    Attributes
    ----------
    name : str
        The name R gives it; the key in `LINKS`.
    parameter : float
        The link's parameter, 0 for links that have none.
    custom : bool
        Whether a user defined it.
    ratio : str or None
        Of what the exponential of a coefficient is the ratio: "mean", "odds" or "hazard".
    mean_range : pair of float or None
        Open interval of the means of all finite linear predictors; None if some have none.
    forward_rows, inverse_rows, inverse_deriv2_rows : RowBlock
        The link over one block of rows, compiled when their address is first asked for.
    mean_rows : RowBlock or None
        The mean with its four derivatives; None where they are not known.
    """

    name: str = ""
    parameter: float = 0.0
    custom: bool = False
    ratio: str | None = None
    mean_range: tuple[float, float] | None = None
    forward_rows: RowBlock
    inverse_rows: RowBlock
    inverse_deriv2_rows: RowBlock
    mean_rows: RowBlock | None = None

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.arguments().items())
        return f"{type(self).__name__}({arguments})"

    def __call__(self, p: Any) -> np.ndarray:
        """Linear predictor at the mean `p`: an array of any shape, or a number."""
        mu = np.asarray(p, dtype=np.float64)
        buffers = {MEAN: mu, COMPLEMENT: 1.0 - mu}
        return evaluate(self.forward_rows, buffers, LINEAR_PREDICTOR, link=self.parameter)

    def inverse(self, z: Any) -> np.ndarray:
        """Mean at the linear predictor `z`; NaN where `z` is outside the link's domain."""
        return evaluate(self.inverse_rows, {LINEAR_PREDICTOR: z}, MEAN, link=self.parameter)

    def complement(self, z: Any) -> np.ndarray:
        """One minus the mean at the linear predictor `z`, accurate where the mean is near one."""
        return evaluate(self.inverse_rows, {LINEAR_PREDICTOR: z}, COMPLEMENT, link=self.parameter)

    def inverse_deriv(self, z: Any) -> np.ndarray:
        """Differentiate the mean in the linear predictor, at the linear predictor `z`."""
        return evaluate(self.inverse_rows, {LINEAR_PREDICTOR: z}, SLOPE, link=self.parameter)

    def inverse_deriv2(self, z: Any) -> np.ndarray:
        """Second derivative of the mean in the linear predictor, at the linear predictor `z`."""
        return evaluate(
            self.inverse_deriv2_rows, {LINEAR_PREDICTOR: z}, SCRATCH, link=self.parameter
        )

    def deriv(self, p: Any) -> np.ndarray:
        """Differentiate the linear predictor in the mean, at the mean `p`."""
        return 1.0 / self.inverse_deriv(self(p))

    def deriv2(self, p: Any) -> np.ndarray:
        """Second derivative of the linear predictor in the mean, at the mean `p`."""
        eta = self(p)
        return -self.inverse_deriv2(eta) / self.inverse_deriv(eta) ** 3

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON from which `from_dict` makes an equal link."""
        return {"name": self.name, "arguments": self.arguments()}

    @staticmethod
    def from_dict(saved: dict[str, Any]) -> Link:
        """Rebuild the link that `to_dict` described; `ModelError` for an unknown name."""
        if saved.get("custom"):
            if saved["name"] not in CUSTOM_LINKS:
                raise ModelError(
                    f"the saved fit has a link {saved['name']!r} of its own: define it first, by "
                    f"the same fastglm.families.CustomLink({saved['name']!r}, ...) as before the "
                    "fit; no file holds its functions."
                )
            return CUSTOM_LINKS[saved["name"]]
        return link_class(saved["name"])(**saved["arguments"])


def compile_mean(name: str, inverse: Callable, bends: Callable) -> RowBlock:
    """Make the row block of the mean and its four derivatives."""
    return RowBlock(mean_rows, f"mean_{name}", {"inverse": inverse, "bends": bends})


def compile_link(
    name: str,
    forward: Callable,
    inverse: Callable,
    inverse_deriv2: Callable,
    cached: bool = True,
) -> tuple[RowBlock, RowBlock, RowBlock]:
    """Make the three row blocks of a link."""
    bend = {"inverse": inverse, "inverse_deriv2": inverse_deriv2}
    return (
        RowBlock(link_rows, f"link_{name}", {"forward": forward}, cached),
        RowBlock(inverse_link_rows, f"inverse_{name}", {"inverse": inverse}, cached),
        RowBlock(inverse_deriv2_rows, f"inverse_deriv2_{name}", bend, cached),
    )
