"""Compilation of all kernels ahead of time, so that no later fit waits for the compiler."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Callable, Iterator

import numpy as np

import fastglm
from fastglm.design.formula.transforms import Basis, apply_stateful
from fastglm.families import FAMILIES, LINKS, Family, Quasi, Tweedie
from fastglm.families.members import QUASI_VARIANCES, TWEEDIE_SPECIAL
from fastglm.fit.free_parameters.smooth_sums import smooth_sums
from fastglm.kernels.compiler.notice import notice
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.mixed.model import fit_formula
from fastglm.mixed.remainder_algebra import mirror
from fastglm.model import GLM
from fastglm.records import frozen
from fastglm.responses.models.multinomial import MNLogit

__all__ = ["every_family", "every_row_block", "warm_up"]

#: Rows of data that are divided into several chunks, which compiles the parallel path.
MANY_ROWS = 70_000
FEW_ROWS = 40


def every_family() -> list[Family]:
    """Instances of all families such that each compiled row block belongs to one of them."""
    several: dict[type[Family], list[Family]] = {
        Tweedie: [Tweedie(var_power=power) for power in (*TWEEDIE_SPECIAL, 1.5)],
        Quasi: [Quasi(variance=variance) for variance in QUASI_VARIANCES],
    }
    return [family for cls in FAMILIES.values() for family in several.get(cls) or [cls()]]


def every_row_block() -> list[RowBlock]:
    """All row blocks: those of sweeps, links and families."""
    blocks = [*_module_blocks(), *_link_blocks()]
    for family in every_family():
        functions = family.functions
        blocks += [family.respond_rows_for(binary) for binary in (False, True)]
        blocks += [functions.score_rows, functions.score_rows.in_float32]
        blocks += [functions.start_rows]
        blocks += [functions.variance_rows, functions.log_density_rows]
    return list({block.name: block for block in blocks}.values())


def _module_blocks() -> Iterator[RowBlock]:
    for found in pkgutil.walk_packages(fastglm.__path__, "fastglm."):
        module = importlib.import_module(found.name)
        yield from (value for value in vars(module).values() if isinstance(value, RowBlock))


def _link_blocks() -> Iterator[RowBlock]:
    for link in LINKS.values():
        yield from (link.forward_rows, link.inverse_rows, link.inverse_deriv2_rows)
        yield link.inverse_rows.in_float32


def warm_up(report: Callable[[int, int, str], None] | None = None) -> int:
    """Compile and cache every kernel of the package; cached ones are only loaded.

    Parameters
    ----------
    report : callable, optional
        Called as ``report(n_done, n_all, name)`` before each kernel.

    Returns
    -------
    int
        Number of kernels.
    """
    blocks = every_row_block()
    n_all = len(blocks) + len(_USES)
    say = report or (lambda done, total, name: None)
    with notice.silenced():
        for k, block in enumerate(blocks):
            say(k, n_all, block.name)
            assert block.address
        for k, (name, use) in enumerate(_USES.items(), start=len(blocks)):
            say(k, n_all, name)
            use()
    return n_all


def _columns(n: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.linspace(-1.0, 1.0, n)
    return x, np.column_stack([np.ones(n), x])


def _use_fit(n: int) -> None:
    x, X = _columns(n)
    fit = GLM(np.exp(0.1 * x) + 0.01 * np.cos(50.0 * x), X).fit()
    fit.predict(which="linear")
    fit.family.variance(x[:1])
    assert np.isfinite([fit.llf, fit.null_deviance]).all()


def _use_aliases() -> None:
    x, X = _columns(FEW_ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert GLM(x, np.column_stack([X, x])).fit().aliased


def _use_categories() -> None:
    _, X = _columns(FEW_ROWS)
    assert MNLogit(np.arange(FEW_ROWS) ** 2 % 3, X).fit().converged


def _use_splines() -> None:
    values = np.linspace(0.0, 1.0, MANY_ROWS)
    for name, options in (("cr", {"df": 3}), ("bs", {"df": 5}), ("poly", {"degree": 2})):
        call = f"{name}(x, {options})"
        # Columns of frames are read-only, which is another type for the compiler.
        for column in (values, frozen(values.copy())):
            assert isinstance(apply_stateful(name, [column], options, {}, call), Basis)


def _use_free_parameters() -> None:
    points = np.linspace(-1.0, 1.0, FEW_ROWS**2)
    ones = np.ones(points.size)
    assert smooth_sums(lambda x: np.stack([x]), points, ones, ones).shape[0] == 1


def _use_mixed() -> None:
    """Fits that compile all functions of mixed models: one factor, crossed, quadrature, bounds."""
    n = 60
    x, _ = _columns(n)
    noise = np.cos(np.arange(n) ** 2.0)
    frame = {"y": x + noise, "b": (noise > 0.0) * 1.0, "x": x, "c": np.arange(n) ** 2 % 3}
    frame |= {"g": np.arange(n) % 6, "h": np.arange(n) // 10}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for formula in ("y ~ x + (1 | g) + (1 | h)", "y ~ x + (1 + x | g)"):
            fit = fit_formula(formula, frame)
            fit.df("kenward-roger"), fit.ranef(cond_var=True)
        fit.influence()
        for formula in ("b ~ x + (1 | g)", "b ~ x + (1 + x | g)", "b ~ x + (1 | g) + (1 | h)"):
            fit_formula(formula, frame, family="binomial")
        for n_nodes in (0, 3):
            fit_formula("b ~ x + (1 | g)", frame, family="binomial", nagq=n_nodes)
        fit_formula("b ~ x + (1 + x | g)", frame, family="binomial", nagq=3)
        fit_formula("c ~ x + (1 | g)", frame, family="ordinal")
        fit_formula("c ~ x + (1 | g)", frame, family="poisson", ziformula="~ 1 + (1 | g)")
    # Of components of the remainder that are too large for these fits.
    mirror(np.eye(2))


#: Calls that compile the functions which are not row blocks, by name shown in the progress.
_USES: dict[str, Callable[[], None]] = {
    "solver": lambda: _use_fit(FEW_ROWS),
    "parallel loop": lambda: _use_fit(MANY_ROWS),
    "aliased columns": _use_aliases,
    "several predictors": _use_categories,
    "splines": _use_splines,
    "free parameters": _use_free_parameters,
    "mixed models": _use_mixed,
}
