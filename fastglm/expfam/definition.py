"""The contract of the exponential family: the few functions that each member defines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastglm.errors import DataError
from fastglm.expfam import checks
from fastglm.expfam.checks import Support

if TYPE_CHECKING:
    from typing_extensions import Self

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Symbols:
    """The symbols of one member, for the table: T(y), a, b(y), η from the parameters and back."""

    statistic: str
    log_partition: str
    base_measure: str
    natural: str
    ordinary: str


class Definition(ABC):
    """What a member of the exponential family defines; ExponentialFamily builds the rest on it."""

    parameter_names: ClassVar[tuple[str, ...]]
    fixed_names: ClassVar[tuple[str, ...]] = ()
    symbols: ClassVar[Symbols]
    # The support, for members whose support depends on no parameter.
    _support: ClassVar[Support]
    support_symbols: ClassVar[str]
    natural_domain_symbols: ClassVar[str]
    mean_domain_symbols: ClassVar[str]
    # Names in fastglm.families and fastglm.families.links, for members that can be a response.
    response_names: ClassVar[tuple[str, str] | None] = None
    plot_examples: ClassVar[tuple[dict[str, Any], ...]] = ()

    natural_parameter: Array

    def _support_set(self) -> Support:
        return self._support

    @abstractmethod
    def _mean_parameter(self) -> Array: ...

    @abstractmethod
    def _fisher_information(self) -> Array: ...

    @abstractmethod
    def _log_partition(self) -> Array: ...

    @abstractmethod
    def _entropy(self) -> Array: ...

    def _marginal(self) -> Definition:
        """Return what `plot` draws: for vectors and matrices the member of the first entry."""
        return self

    @abstractmethod
    def _statistic(self, y: Array) -> Array: ...

    @abstractmethod
    def _log_base_measure(self, y: Array) -> Array: ...

    @abstractmethod
    def _log_density(self, y: Array) -> Array: ...

    @abstractmethod
    def _divergence(self, other: Any) -> Array: ...

    @abstractmethod
    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array: ...

    @classmethod
    @abstractmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]: ...

    @classmethod
    @abstractmethod
    def _natural_domain(cls, eta: Array, **fixed: Array) -> Array: ...

    @classmethod
    @abstractmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array: ...

    @classmethod
    def _start(cls, mean: Array, **fixed: Array) -> Array:
        """Return a point of the natural parameter space from which Newton's method starts.

        Needed only by a member whose `_from_mean` has no closed form.
        """
        raise NotImplementedError

    @classmethod
    def _check_size(cls, size: int) -> None:
        """Raise DataError unless a parameter vector of `size` entries can belong to `cls`."""
        expected = len(cls.parameter_names) - len(cls.fixed_names)
        if size != expected:
            raise DataError(
                f"{cls.__name__} has parameter vectors of {expected} entries on the last axis; "
                f"got {size}"
            )

    @classmethod
    def _check_fixed(cls, **fixed: Any) -> dict[str, Array]:
        """Return the known parameters as checked arrays."""
        return {}

    @classmethod
    @abstractmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        """Return any member with the dimensions of `sample`: its T and support serve the fit."""

    @property
    def fixed(self) -> dict[str, Array]:
        """The known parameters, those that natural parameters leave out, by name."""
        return {name: getattr(self, name) for name in self.fixed_names}

    def __repr__(self) -> str:
        """Show the constructor call."""
        values = ((name, getattr(self, name)) for name in self.parameter_names)
        inside = ", ".join(f"{name}={np.asarray(value).tolist()}" for name, value in values)
        return f"{type(self).__name__}({inside})"

    # What follows at once ---------------------------------------------------------------------

    @property
    def support(self) -> Support:
        """The set of possible responses; `str(support)` shows it, `support.contains(y)` asks."""
        return self._support_set()

    @property
    def mean_parameter(self) -> Array:
        """The gradient of a in η, E[T(y)], shape (…, k)."""
        return self._mean_parameter()

    @property
    def fisher_information(self) -> Array:
        """The Hessian of a in η, Cov[T(y)], shape (…, k, k)."""
        return self._fisher_information()

    def log_partition(self) -> Array:
        """Return a(η), shape (…)."""
        return self._log_partition()

    def entropy(self) -> Array:
        """Return -E[log p(y)] in nats, shape (…): differential for continuous y, so any sign."""
        return self._entropy()

    def _response(self, y: Any) -> tuple[Array, Array]:
        """Return y as floats and whether each response (…) lies in the support."""
        values = checks.numbers(y, "y")
        event = self.support.example.shape
        if values.shape[values.ndim - len(event) :] != event:
            raise DataError(
                f"{type(self).__name__}: y must have shape (…, {', '.join(map(str, event))}); "
                f"got {values.shape}"
            )
        return values, np.asarray(self.support.contains(values))

    def _inside(self, y: Any) -> Array:
        values, valid = self._response(y)
        if not valid.all():
            raise DataError(
                f"{type(self).__name__}: y must satisfy {self.support}; the value"
                f"{checks.place(~valid)} does not"
            )
        return values

    def sufficient_statistic(self, y: Any) -> Array:
        """Return T(y), shape (…, k), for y (…, *event); DataError outside the support."""
        return self._statistic(self._inside(y))
