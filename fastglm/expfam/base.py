"""What every member of the exponential family can do, given its few defining functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.expfam import checks
from fastglm.expfam.construction import Constructed, class_or_member
from fastglm.expfam.definition import Array, Symbols

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.families import Family
    from fastglm.families.links.base import Link

__all__ = ["Array", "ExponentialFamily", "Symbols"]


class ExponentialFamily(Constructed):
    """A member p(y; η) = b(y) exp(η'T(y) - a(η)) of the exponential family, or a batch of them.

    Parameters broadcast against one another; their common leading shape is `batch_shape`, and
    every result has it in front. Sources for all members: Barndorff-Nielsen (1978),
    "Information and exponential families"; Wainwright & Jordan (2008), section 3.

    Attributes
    ----------
    natural_parameter : ndarray, shape (…, k)
        η, so that η'T is a plain dot product.
    batch_shape : tuple of int
        The shape of the batch, () for a single member.
    """

    def log_base_measure(self, y: Any) -> Array:
        """Return log b(y), shape (…), for y (…, *event); DataError outside the support."""
        return self._log_base_measure(self._inside(y))

    def log_prob(self, y: Any) -> Array:
        """Return the log density or log mass at y.

        Equal to η'T(y) - a(η) + log b(y), put together so that large parameters do not cancel.

        Parameters
        ----------
        y : array_like, shape (…, *event)
            Responses; leading axes broadcast against `batch_shape`.

        Returns
        -------
        ndarray, shape (…)
            -inf outside the support.

        Raises
        ------
        MissingValueError
            If y has NaN.
        DataError
            If y is not numeric or its trailing axes are not one response.
        """
        values, valid = self._response(y)
        event_ndim = self.support.example.ndim
        mask = valid.reshape(valid.shape + (1,) * event_ndim)
        with np.errstate(under="ignore"):
            density = self._log_density(np.where(mask, values, self.support.example))
        return np.where(valid, density, -np.inf)[()]

    def kl_divergence(self, other: Any) -> Array:
        """Return the Kullback–Leibler divergence E[log p(y) - log q(y)] of `other`, q, from this.

        Accurate in relative terms also when the two are close.

        Parameters
        ----------
        other : ExponentialFamily
            A member of the same class with the same known parameters; batches broadcast.

        Returns
        -------
        ndarray, shape (…)
            In nats.

        Raises
        ------
        ModelError
            If `other` is of another class or its known parameters differ.
        """
        if type(other) is not type(self):
            raise ModelError(
                f"kl_divergence compares members of one class; got {type(self).__name__} "
                f"and {type(other).__name__}"
            )
        for name, value in self.fixed.items():
            pair = {name: np.asarray(value), "other": np.asarray(getattr(other, name))}
            if not np.equal(*checks.broadcast(**pair)).all():
                raise ModelError(f"kl_divergence needs members with the same {name}")
        with np.errstate(under="ignore"):
            return self._divergence(other)[()]

    def sample(self, rng: Any, size: int | Sequence[int] = ()) -> Array:
        """Draw responses.

        Parameters
        ----------
        rng : numpy.random.Generator or int
            The source of randomness, or a seed for one.
        size : int or tuple of int, optional
            Shape of the draws from each member of the batch; default one draw.

        Returns
        -------
        ndarray, shape (*size, *batch_shape, *event)
        """
        shape = (size,) if isinstance(size, (int, np.integer)) else tuple(size)
        return self._draw(np.random.default_rng(rng), (*shape, *self.batch_shape))

    # As the response of a generalized linear model ------------------------------------------

    @classmethod
    def _response_options(cls, **fixed: Any) -> dict[str, Any]:
        """Return what the family and the link of `glm_family` take beside the link."""
        return {}

    @classmethod
    def _response_names(cls) -> tuple[str, str]:
        if cls.response_names is None:
            raise ModelError(f"{cls.__name__} is not the response of a generalized linear model")
        return cls.response_names

    @classmethod
    def _link(cls, fixed: dict[str, Any]) -> Link:
        from fastglm.families import links

        name = cls._response_names()[1]
        return getattr(links, name)(**cls._response_options(**fixed))

    @property
    def canonical_link(self) -> Link:
        """The link that makes η the linear predictor (up to its sign and scale)."""
        return self._link(self.fixed)

    @classmethod
    def _variance(cls, mu: Array, **fixed: Array) -> Array:
        """Return V(μ); only for members with `response_names`."""
        raise NotImplementedError

    @class_or_member
    @classmethod
    def variance_function(cls, mu: Any, **fixed: Any) -> Array:
        """Return V(μ), the variance of the response at dispersion 1 as a function of its mean.

        For the binomial, of the proportion of successes. Raises ModelError for a member that
        cannot be the response of a generalized linear model.
        """
        cls._response_names()
        cls._refuse_unknown(fixed)
        return cls._variance(checks.numbers(mu, "mu"), **fixed)

    @class_or_member
    @classmethod
    def glm_family(cls, **fixed: Any) -> Family:
        """Return the family that `fastglm.GLM` fits, with the canonical link.

        Works on the class too, so `GLM(y, X, family=Bernoulli)` is logistic regression.

        Raises
        ------
        ModelError
            If the member cannot be the response, or needs a known parameter that is missing.
        """
        from fastglm import families

        cls._refuse_unknown(fixed)
        link = cls._link(fixed)
        options = cls._response_options(**fixed)
        return getattr(families, cls._response_names()[0])(link=link, **options)

    @class_or_member
    @classmethod
    def plot(cls, etas: Any = None, ax: Any = None, **fixed: Any) -> Axes:
        """Draw the density or mass function as η varies, with T, a and b fixed.

        For vectors and matrices that of their first entry.

        Parameters
        ----------
        etas : sequence of natural parameters, each (k,) or a number, optional
            Default a few that show the member's shapes (Bernoulli and binomial: probabilities
            0.25, 0.5 and 0.9).
        ax : matplotlib.axes.Axes, optional
            Where to draw; default a new figure.
        **fixed
            The known parameters; on a member, its own are the default.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ModelError
            If there is nothing to draw, or one of `etas` is a batch.
        """
        from fastglm.expfam.plots import draw

        if etas is None:
            members = [cls(**{**example, **fixed}) for example in cls.plot_examples]
        else:
            vectors = [np.atleast_1d(np.asarray(eta, dtype=float)) for eta in etas]
            members = [cls.from_natural_parameter(eta, **fixed) for eta in vectors]
        return draw(cls, members, ax)
