"""What saved fits of every kind of model hold: numbers, text, tables, names and estimates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.errors import DataError, Status
from fastglm.fit.base import FitBase
from fastglm.fit.json_numbers import float_from_json, json_numbers, require_kinds
from fastglm.kernels.threads.threads import usable_threads
from fastglm.records import frozen

__all__ = [
    "SavedFields",
    "formula_from_json",
    "formula_to_json",
    "restore_lazy_numbers",
    "vector_from_json",
]


@dataclass(frozen=True)
class SavedFields:
    """Fields of the record of a fit that are saved as they are.

    Attributes
    ----------
    kinds : dict of str to type
        Numbers, truth values and text.
    tables : tuple of str
        Dictionaries.
    labels : tuple of str
        Tuples of text, or None.
    later : dict
        Values of fields that files of earlier versions do not have.
    """

    kinds: Mapping[str, type]
    tables: tuple[str, ...]
    labels: tuple[str, ...] = ()
    later: Mapping[str, Any] = field(default_factory=dict)

    def describe(self, fit: Any) -> dict[str, Any]:
        """These fields, with names, estimates, status and formula, as plain JSON types."""
        saved = {
            name: json_numbers(getattr(fit, name)) for name in (*self.kinds, *fit.lazy_numbers)
        }
        saved |= {name: dict(getattr(fit, name)) for name in self.tables}
        for name in self.labels:
            labels = getattr(fit, name)
            saved[name] = None if labels is None else list(labels)
        saved["names"] = list(fit.names)
        saved["estimates"] = json_numbers(fit.estimates.tolist())
        saved["status"], saved["formula"] = fit.status.name, fit.formula
        return saved

    def read(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of the record from what `describe` wrote, or an earlier version of it.

        Raises
        ------
        DataError
            If something does not hold what it should.
        """
        saved = {**self.later, **saved}
        require_kinds(saved, {**self.kinds, **dict.fromkeys(self.tables, dict)})
        arguments = {name: float_from_json(saved[name]) for name in self.kinds}
        arguments["n_threads"] = max(1, min(arguments["n_threads"], usable_threads(None)))
        arguments |= {name: saved[name] for name in self.tables}
        for name in self.labels:
            arguments[name] = None if saved[name] is None else tuple(saved[name])
        names = tuple(saved["names"])
        if not all(isinstance(name, str) for name in names):
            raise DataError("a name of the saved model is not text.")
        return arguments | {
            "names": names,
            "estimates": vector_from_json(saved["estimates"], len(names)),
            "status": Status[saved["status"]],
            "formula": saved["formula"],
        }


def restore_lazy_numbers(fit: FitBase, saved: Mapping[str, Any]) -> None:
    """Give a fit the numbers that it would compute from data which it does not have."""
    require_kinds(saved, dict.fromkeys(fit.lazy_numbers, float))
    fit.__dict__.update({name: float_from_json(saved[name]) for name in fit.lazy_numbers})


def formula_to_json(formula: FittedFormula | None) -> dict[str, Any] | None:
    """A fitted formula as plain JSON types; None of a model of arrays."""
    return None if formula is None else formula.to_dict()


def formula_from_json(saved: dict[str, Any] | None) -> FittedFormula | None:
    """The formula that `formula_to_json` described."""
    return None if saved is None else FittedFormula.from_dict(saved)


def vector_from_json(values: Iterable[Any], p: int) -> np.ndarray:
    """A read-only vector, (p,).

    Raises
    ------
    DataError
        If there are not p numbers.
    """
    vector = np.array([float_from_json(value) for value in values], dtype=np.float64)
    if vector.shape != (p,):
        raise DataError(f"the saved model has {p} names, but {vector.size} estimates or centres.")
    return frozen(vector)
