"""Links: how the mean follows from the linear predictor.

A link is a pair of compiled scalar functions and a row in the registry `LINKS`:

``forward(mu, complement, parameter)``
    the linear predictor; `complement` is 1 - mu, exact where mu is near one.
``inverse(eta, parameter)``
    ``(mu, 1 - mu, d mu / d eta)``; NaN where eta is outside the link's domain.
"""

from __future__ import annotations

from fastglm.families.rows import inverse_link_rows, link_rows
from fastglm.kernels import vector_math as vm
from fastglm.kernels.jit import RowBlock, inlined


class Link:
    """Base of all links. Immutable; two links are equal when class and parameter are.

    Attributes
    ----------
    r_name : str
        The name R gives it.
    parameter : float
        The link's parameter, 0 for links that have none.
    """

    r_name: str = ""
    parameter: float = 0.0
    forward_rows: RowBlock
    inverse_rows: RowBlock

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.parameter == other.parameter  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self.parameter))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _compiled(name, forward, inverse):
    """The two row blocks of a link."""
    return (
        RowBlock(link_rows, f"link_{name}", {"forward": forward}),
        RowBlock(inverse_link_rows, f"inverse_{name}", {"inverse": inverse}),
    )


@inlined
def identity_forward(mu, complement, parameter):
    return mu


@inlined
def identity_inverse(eta, parameter):
    return eta, 1.0 - eta, 1.0


class Identity(Link):
    """eta = mu."""

    r_name = "identity"
    forward_rows, inverse_rows = _compiled("identity", identity_forward, identity_inverse)


@inlined
def log_forward(mu, complement, parameter):
    return vm.log(mu)


@inlined
def log_inverse(eta, parameter):
    mu = vm.exp(eta)
    return mu, 1.0 - mu, mu


class Log(Link):
    """eta = log(mu)."""

    r_name = "log"
    forward_rows, inverse_rows = _compiled("log", log_forward, log_inverse)


@inlined
def logit_forward(mu, complement, parameter):
    return vm.log(mu / complement)


@inlined
def logit_inverse(eta, parameter):
    # exp of minus the absolute value: never overflows, and keeps the small tail exact.
    small = vm.exp(-abs(eta))
    near_one = 1.0 / (1.0 + small)
    near_zero = small * near_one
    mu = near_one if eta >= 0.0 else near_zero
    complement = near_zero if eta >= 0.0 else near_one
    return mu, complement, near_one * near_zero


class Logit(Link):
    """eta = log(mu / (1 - mu))."""

    r_name = "logit"
    forward_rows, inverse_rows = _compiled("logit", logit_forward, logit_inverse)


LINKS: dict[str, type[Link]] = {link.r_name: link for link in (Identity, Log, Logit)}
