"""How members come to be: from natural or mean parameters, or fitted to a sample."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from fastglm.errors import DataError, ModelError
from fastglm.expfam import checks
from fastglm.expfam.definition import Array, Definition
from fastglm.expfam.newton import natural_from_mean

if TYPE_CHECKING:
    from typing_extensions import Self

#: What a method gives; a class of members.
R = TypeVar("R")
M = TypeVar("M")


class class_or_member(Generic[R]):  # noqa: N801 (a decorator, spelled like classmethod)
    """Makes a classmethod that, called on a member, is handed the member's known parameters.

    So `Binomial.fit(y, n=10)` and `Binomial(n=10, p=0.5).fit(y)` are the same call.
    """

    def __init__(self, method: Callable[..., R]) -> None:
        self.function: Callable[..., R] = method.__func__  # type: ignore[attr-defined]
        self.__doc__ = self.function.__doc__

    def __get__(self, member: Any, owner: type) -> Callable[..., R]:
        """Bind the class and, where there is a member, its known parameters."""
        fixed = {} if member is None else member.fixed
        bound = functools.partial(self.function, owner, **fixed)
        return functools.update_wrapper(bound, self.function)


class member_of_class(class_or_member[Any]):  # noqa: N801
    """The same of a method that makes a member: of the class it is called on."""

    if TYPE_CHECKING:

        def __get__(self, member: Any, owner: type[M]) -> Callable[..., M]: ...


@dataclass(frozen=True)
class ConjugatePrior:
    """The conjugate prior of η, density proportional to exp(strength (η'm - a(η))).

    It is worth `strength` observations whose average sufficient statistic is m, and moves the
    fitted mean parameter to the weighted average of m and the sample's (Diaconis & Ylvisaker
    1979, "Conjugate priors for exponential families"); the fit is the posterior mode of η.

    Parameters
    ----------
    mean_parameter : array_like, shape (…, k)
        m, on the scale of the sufficient statistic.
    strength : float
        The number of observations it is worth, above 0.
    """

    mean_parameter: Any
    strength: float


class Constructed(Definition):
    """A member that can be made in every way."""

    def _hold(self, natural: Array, **parameters: Array) -> None:
        self.natural_parameter = _frozen(natural)
        self.batch_shape = natural.shape[:-1]
        for name, value in parameters.items():
            # A single member shows its parameters as plain numbers.
            setattr(self, name, _frozen(value)[()])

    @classmethod
    def _member(cls, eta: Array, fixed: Mapping[str, Array]) -> Self:
        member = object.__new__(cls)
        with np.errstate(under="ignore"):
            member._hold(eta, **cls._ordinary(eta, **fixed), **fixed)
        return member

    @classmethod
    def _known(cls, fixed: Mapping[str, Any]) -> dict[str, Array]:
        """Return the known parameters, checked to be the ones the class has."""
        missing = [name for name in cls.fixed_names if name not in fixed]
        if missing:
            raise ModelError(f"{cls.__name__} needs its known parameter: pass {missing[0]}=")
        cls._refuse_unknown(fixed)
        return cls._check_fixed(**fixed)

    @classmethod
    def _refuse_unknown(cls, fixed: Mapping[str, Any]) -> None:
        unknown = [name for name in fixed if name not in cls.fixed_names]
        if unknown:
            raise ModelError(f"{cls.__name__} has no known parameter named {unknown[0]}")

    @classmethod
    def _vector(cls, value: Any, name: str, fixed: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
        """Return a parameter vector and the known parameters, broadcast to one batch shape."""
        vector = checks.real(checks.vector(value, name, least=1), name)
        cls._check_size(vector.shape[-1])
        known = cls._known(fixed)
        shape = checks.common_shape(**{name: vector[..., 0]}, **known)
        vector = np.broadcast_to(vector, (*shape, vector.shape[-1]))
        return vector, {key: np.broadcast_to(value, shape) for key, value in known.items()}

    @member_of_class
    @classmethod
    def from_natural_parameter(cls, eta: Any, **fixed: Any) -> Self:
        """Return the member whose natural parameter is `eta`.

        Parameters
        ----------
        eta : array_like, shape (…, k)
            Natural parameters.
        **fixed
            The known parameters (such as Binomial's n); on a member, its own are the default.

        Returns
        -------
        ExponentialFamily

        Raises
        ------
        DataError
            If some `eta` is outside the natural parameter space or has the wrong length.
        """
        eta, checked = cls._vector(eta, "eta", fixed)
        message = f"{cls.__name__}: the natural parameter must satisfy {cls.natural_domain_symbols}"
        checks.demand(cls._natural_domain(eta, **checked), eta, message)
        return cls._member(eta, checked)

    @member_of_class
    @classmethod
    def from_mean_parameter(cls, mu: Any, **fixed: Any) -> Self:
        """Return the member for which E[T(y)] is `mu`.

        In closed form where there is one, else by Newton's method on a.

        Parameters
        ----------
        mu : array_like, shape (…, k)
            Mean parameters, on the scale of the sufficient statistic.
        **fixed
            The known parameters; on a member, its own are the default.

        Returns
        -------
        ExponentialFamily

        Raises
        ------
        DataError
            If some `mu` is not inside the mean parameter space: then no maximum likelihood
            estimate exists (a sample of equal values, or of only successes).
        """
        mu, checked = cls._vector(mu, "mu", fixed)
        message = (
            f"{cls.__name__}: no member has this mean parameter, which must satisfy "
            f"{cls.mean_domain_symbols} (a fit on a degenerate sample needs a prior)"
        )
        checks.demand(cls._mean_domain(mu, **checked), mu, message)
        return cls._from_mean(mu, **checked)

    @member_of_class
    @classmethod
    def fit(cls, sample: Any, weights: Any = None, prior: Any = None, **fixed: Any) -> Self:
        """Return the maximum likelihood member: the one whose E[T] is the sample's average T.

        Parameters
        ----------
        sample : array_like, shape (n, …, *event)
            n observations along the first axis; the axes between give a batch of fits.
        weights : array_like, shape (n,) or (n, …), optional
            Non-negative counts or weights of the observations; default 1.
        prior : ConjugatePrior, optional
            Makes the fit the posterior mode of η instead.
        **fixed
            The known parameters; on a member, its own are the default.

        Returns
        -------
        ExponentialFamily

        Raises
        ------
        DataError
            If the sample leaves the support, or no maximum likelihood estimate exists.
        """
        values = checks.numbers(sample, "sample")
        template = cls._template(values, cls._known(fixed))
        event_ndim = template.support.example.ndim
        if values.ndim <= event_ndim or values.shape[0] == 0:
            raise DataError(
                f"sample needs at least one observation along its first axis; got {values.shape}"
            )
        rows = values.shape[: values.ndim - event_ndim]
        weights = np.ones(rows[0]) if weights is None else checks.real(weights, "weights")
        checks.demand(weights >= 0, weights, "weights must not be negative")
        if weights.shape not in (rows[:1], rows):
            raise DataError(f"weights must have shape {rows[:1]} or {rows}; got {weights.shape}")
        weights = weights.reshape(weights.shape + (1,) * (len(rows) - weights.ndim))
        checks.demand(weights.sum(0) > 0, weights.sum(0), "the weights must not sum to 0")
        return cls._fitted(template.sufficient_statistic(values), weights, prior, fixed)

    @classmethod
    def _fitted(cls, statistic: Array, weights: Array, prior: Any, fixed: dict[str, Any]) -> Self:
        """Match E[T] to the weighted average of `statistic` (n, …, k), prior included."""
        weights = weights[..., None]
        average, total = (statistic * weights).sum(0) / weights.sum(0), weights.sum(0)
        if prior is not None:
            strength = checks.positive(prior.strength, "prior.strength")
            anchor = checks.real(prior.mean_parameter, "prior.mean_parameter")
            average = (average * total + anchor * strength) / (total + strength)
        return cls.from_mean_parameter(average, **fixed)

    @classmethod
    def _from_mean(cls, mean: Array, **fixed: Array) -> Self:
        eta = natural_from_mean(cls, mean, cls._start(mean, **fixed), fixed)
        return cls._member(eta, fixed)


def _frozen(values: Array) -> Array:
    """Return a read-only copy, so that a member cannot fall out of step with itself."""
    copy = np.array(values)
    copy.flags.writeable = False
    return copy
