"""Checks of parameters and responses: one clear error naming the argument, value and place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastglm.errors import DataError, MissingValueError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Support:
    """The values a response can take.

    Parameters
    ----------
    description : str
        The set in symbols, such as "y > 0".
    contains : callable
        Takes an array of responses (…, *event) and returns whether each lies inside (…).
    example : ndarray, shape event
        One value inside; its shape is the shape of a single response.
    """

    description: str
    contains: Callable[[Array], Array]
    example: Array

    def __str__(self) -> str:
        return self.description


def numbers(value: Any, name: str) -> Array:
    """Return `value` as a float64 array, or raise DataError / MissingValueError naming it."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be numeric; got {value!r:.80}") from error
    if np.isnan(array).any():
        where = place(np.isnan(array))
        raise MissingValueError(f"{name} is NaN{where}; drop or fill missing values first")
    return array


def place(bad: Array) -> str:
    """Return " at index ..." for the first true entry of `bad`, or "" for a scalar."""
    if bad.ndim == 0:
        return ""
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    return f" at index {index[0] if len(index) == 1 else index}"


def demand(good: Array, value: Array, message: str) -> None:
    """Raise DataError("`message`; got <first bad value> at index ...") unless all are good."""
    good = np.asarray(good)
    if not good.all():
        bad = value[tuple(np.argwhere(~good)[0])] if good.ndim else value
        raise DataError(f"{message}; got {np.asarray(bad).tolist()}{place(~good)}")


def real(value: Any, name: str) -> Array:
    """Return `value` as finite floats."""
    array = numbers(value, name)
    demand(np.isfinite(array), array, f"{name} must be finite")
    return array


def positive(value: Any, name: str) -> Array:
    """Return `value` as finite floats above 0."""
    array = numbers(value, name)
    demand((array > 0) & np.isfinite(array), array, f"{name} must be positive and finite")
    return array


def probability(value: Any, name: str) -> Array:
    """Return `value` as floats strictly between 0 and 1."""
    array = numbers(value, name)
    message = f"{name} must lie strictly between 0 and 1 (0 and 1 have no natural parameter)"
    demand((array > 0) & (array < 1), array, message)
    return array


def trial_count(value: Any, name: str) -> Array:
    """Return `value` as whole numbers of at least 1, as floats."""
    array = numbers(value, name)
    good = (array >= 1) & (array == np.floor(array)) & np.isfinite(array)
    demand(good, array, f"{name} must be a whole number of at least 1")
    return array


def probabilities(value: Any, name: str) -> Array:
    """Return `value`, shape (…, k), as positive floats whose last axis sums to 1."""
    array = vector(value, name, least=2)
    total = array.sum(-1)
    good = (array > 0).all(-1) & (np.abs(total - 1) < 1e-9)
    demand(good, array, f"{name} must be positive and sum to 1 along the last axis")
    return array / total[..., None]


def vector(value: Any, name: str, least: int) -> Array:
    """Return `value` as floats with a last axis of at least `least` entries."""
    array = numbers(value, name)
    if array.ndim == 0 or array.shape[-1] < least:
        raise DataError(f"{name} needs a last axis of at least {least}; got shape {array.shape}")
    return array


def positive_definite(value: Any, name: str) -> Array:
    """Return `value`, shape (…, p, p), as symmetric positive definite matrices."""
    array = numbers(value, name)
    if array.ndim < 2 or array.shape[-1] != array.shape[-2]:
        raise DataError(f"{name} must hold square matrices (…, p, p); got shape {array.shape}")
    message = f"{name} must be symmetric positive definite"
    demand(is_positive_definite(array), array, message)
    return (array + array.swapaxes(-1, -2)) / 2


def common_shape(**arrays: Array) -> tuple[int, ...]:
    """Return the shape that the named arrays broadcast to, or raise DataError naming them."""
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError as error:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DataError(f"the shapes of the parameters do not broadcast: {shapes}") from error


def broadcast(**arrays: Array) -> tuple[Array, ...]:
    """Return the named arrays, broadcast to one shape, or raise DataError naming them."""
    shape = common_shape(**arrays)
    return tuple(np.broadcast_to(array, shape) for array in arrays.values())


def is_positive_definite(matrices: Array) -> Array:
    """Return whether each of `matrices` (…, p, p) is symmetric (to 1e-10) positive definite."""
    diagonal = np.diagonal(matrices, axis1=-2, axis2=-1)
    usable = np.asarray(np.isfinite(matrices).all(axis=(-1, -2)) & (diagonal > 0).all(-1))
    safe = np.where(usable[..., None, None], matrices, np.eye(matrices.shape[-1]))
    _, unit = unit_diagonal(safe)
    usable &= (np.abs(unit - unit.swapaxes(-1, -2)) <= 1e-10).all(axis=(-1, -2))
    return np.asarray(usable & (np.linalg.eigvalsh(unit)[..., 0] > 0))


def unit_diagonal(matrices: Array) -> tuple[Array, Array]:
    """Return roots r (…, p) of the diagonal, and the matrices divided by the outer product of r.

    Units of measurement, however different, then cost no digits in what is computed next.
    """
    roots = np.sqrt(np.diagonal(matrices, axis1=-2, axis2=-1))
    return roots, matrices / roots[..., :, None] / roots[..., None, :]
