"""The ends of an interval from how a criterion rises as a coefficient is held at values."""

from __future__ import annotations

import math

import numpy as np
import scipy

__all__ = ["HeldCoefficient", "NotConvergedError"]

#: The root is known to this share of the standard error.
END_TOLERANCE = 1e-8
#: Doublings of the distance before an end counts as infinite.
MAX_DOUBLINGS = 12
#: The same where nothing shows how far the end is from where the search starts.
MANY_DOUBLINGS = 40


class NotConvergedError(Exception):
    """A refit with the coefficient held did not converge: nothing is known of the profile there."""


class HeldCoefficient:
    """A coefficient that is held at values while the others follow.

    Attributes
    ----------
    estimate : float
        Infinite where the likelihood rises for ever, NaN where it is flat.
    unit : float
        Its standard error, or a length of that order.
    """

    estimate: float
    unit: float

    def rise(self, value: float) -> float:
        """Rise of the deviance over the dispersion; infinite where there is no such model.

        Raises
        ------
        NotConvergedError
            If that is not known.
        """
        raise NotImplementedError

    def end(self, target: float) -> float:
        """Where the signed root of the rise is `target`; infinite if it never gets there.

        Raises
        ------
        NotConvergedError
            If the profile is not known on the way.
        """
        if math.isnan(self.estimate):
            return math.copysign(math.inf, target)
        if math.isinf(self.estimate):
            return self._end_below_infinity(target)
        # Where there is no such model, the end of those that are is the end.
        near, far = self.estimate, self.estimate + target * self.unit
        for doubling in range(MAX_DOUBLINGS):
            if self.rise(far) >= target**2:
                return self._root(near, far, target)
            near, far = far, self.estimate + (far - self.estimate) * (1.25 if doubling < 2 else 2.0)
        return math.copysign(math.inf, target)

    def _end_below_infinity(self, target: float) -> float:
        """The same where the rise falls to zero in the direction of an infinite estimate."""
        outward = math.copysign(1.0, self.estimate)
        if target * outward > 0.0:
            return self.estimate
        is_far = self.rise(0.0) < target**2
        direction, near = -outward if is_far else outward, 0.0
        for doubling in range(MANY_DOUBLINGS):
            far = direction * self.unit * 2.0**doubling
            if (self.rise(far) < target**2) != is_far:
                return self._root(near, far, target)
            near = far
        return -outward * math.inf

    def _root(self, one: float, other: float, target: float) -> float:
        """Where the rise is the square of `target`, between a smaller and a larger rise."""
        size = abs(target)
        found = scipy.optimize.brentq(
            lambda value: min(math.sqrt(max(self.rise(value), 0.0)), 1e3 * size) - size,
            one,
            other,
            xtol=END_TOLERANCE * self.unit,
            rtol=4 * np.finfo(float).eps,
        )
        return float(found)
