"""Tests of linear hypotheses: from text or a matrix to Wald, t and score tests.

Wald and score tests: Rao (1973), *Linear Statistical Inference and Its Applications*, section 6e.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from fastglm.entry import entry_points
from fastglm.errors import DataError, ModelError, require_level
from fastglm.fit.aliased import SAME_COMBINATION, null_space
from fastglm.inference.hypothesis_tests.tables import HypothesisTest
from fastglm.inference.rendering import RenderedFrame

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.fit.base import FitBase

__all__ = ["LinearTests", "estimable_equations", "read_hypothesis", "t_test", "wald_test"]

#: Below this share of its largest eigenvalue, a constraint's variance is none of its own.
RANK_TOLERANCE = 1e-11


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class LinearTests(RenderedFrame):
    """t or z tests of single linear combinations of the coefficients.

    Attributes
    ----------
    names : tuple of str
        The k hypotheses.
    effect, sd : ndarray, shape (k,)
        Estimate of each combination and its standard error.
    null_value : ndarray, shape (k,)
        Its value under the hypothesis.
    statistic, pvalue : ndarray, shape (k,)
        Two-sided.
    df : float
        Degrees of freedom of Student's t; infinite for the normal distribution.
    """

    names: tuple[str, ...]
    effect: np.ndarray
    sd: np.ndarray
    null_value: np.ndarray
    statistic: np.ndarray
    pvalue: np.ndarray
    df: float

    @property
    def tvalue(self) -> np.ndarray:
        """`statistic` under statsmodels' name, (k,)."""
        return self.statistic

    def conf_int(self, alpha: float = 0.05) -> np.ndarray:
        """Intervals of the combinations at level 1 - alpha, (k, 2)."""
        require_level(alpha)
        half = scipy.special.stdtrit(self.df, 1.0 - alpha / 2.0) * self.sd
        return np.column_stack([self.effect - half, self.effect + half])

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """The tests as a pandas DataFrame."""
        import pandas as pd

        low, high = self.conf_int(alpha).T
        letter = "z" if np.all(np.isinf(self.df)) else "t"
        columns = {
            "coef": self.effect,
            "std err": self.sd,
            letter: self.statistic,
            f"P>|{letter}|": self.pvalue,
            "Conf. Int. Low": low,
            "Conf. Int. Upp.": high,
        }
        return pd.DataFrame(columns, index=list(self.names))

    def summary(self) -> str:
        """The tests as text."""
        return str(self)


def read_hypothesis(
    hypothesis: Any, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Matrix R and values q of the hypothesis ``R beta = q``, with a text for each row.

    Parameters
    ----------
    hypothesis : str, list of str, array_like, or tuple of two array_like
        ``"x1 = x2, x3 = 0"``; a combination alone, as in ``"x1 - x2"``, is compared with zero. Or
        R, (k, p) or (p,), or the pair (R, q).
    names
        Of the p coefficients.

    Raises
    ------
    ModelError
        If the text cannot be read, or names something else than coefficients.
    DataError
        If the matrix has the wrong shape or holds values that are not finite.
    """
    if isinstance(hypothesis, str):
        return _read_text(hypothesis, names)
    values: Any = 0.0
    if isinstance(hypothesis, tuple):
        if len(hypothesis) != 2:
            raise DataError("a hypothesis given as a tuple must be (matrix, values).")
        hypothesis, values = hypothesis
    if isinstance(hypothesis, list) and hypothesis and isinstance(hypothesis[0], str):
        return _read_text(", ".join(map(str, hypothesis)), names)
    try:
        matrix = np.atleast_2d(np.asarray(hypothesis, dtype=np.float64))
        values = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            "a hypothesis is text, a list of texts, or a matrix of numbers with one column for "
            "each coefficient."
        ) from None
    if matrix.ndim != 2 or matrix.shape[1] != len(names):
        raise DataError(
            f"the hypothesis has shape {matrix.shape}, but there are {len(names)} coefficients: it "
            "needs one column for each."
        )
    if values.ndim > 1 or values.size not in (1, len(matrix)):
        raise DataError(
            f"the hypothesis has {len(matrix)} rows, but values of shape {values.shape}: give one "
            "for each row."
        )
    values = np.broadcast_to(values, matrix.shape[:1])
    if not (np.isfinite(matrix).all() and np.isfinite(values).all()):
        raise DataError("the hypothesis holds values that are not finite.")
    texts = tuple(_text(row, value, names) for row, value in zip(matrix, values, strict=True))
    return matrix, values, texts


def _read_text(text: str, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Reads each equation as arithmetic, after names of any spelling became plain words."""
    words = {f"coefficient_{k}": k for k in range(len(names))}
    word_of = dict(zip(names, words, strict=True))
    spellings = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    plain = re.sub(
        rf"`(?P<quoted>[^`]*)`|(?<![\w.])(?P<bare>{spellings})(?![\w.])",
        lambda match: word_of.get(match["quoted"] or match["bare"], match[0]),
        text,
    )
    try:
        rows = [_linear(a, words) - _linear(b, words) for a, b in _equations(plain, text)]
    except (SyntaxError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(
            f"the hypothesis {text!r} cannot be read. Write equations between sums of "
            f"coefficients, with commas between them; the coefficients are {', '.join(names)}."
        ) from error
    matrix, values = np.array(rows)[:, :-1], 0.0 - np.array(rows)[:, -1]
    texts = tuple(_text(row, value, names) for row, value in zip(matrix, values, strict=True))
    return matrix, values, texts


def _linear(side: str, words: Mapping[str, int]) -> np.ndarray:
    """One side of an equation as coefficients of the words, and last its constant."""

    def visit(node: ast.AST) -> np.ndarray:
        result = np.zeros(len(words) + 1)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            result[-1] = node.value
        elif isinstance(node, ast.Name) and node.id in words:
            result[words[node.id]] = 1.0
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            operand = visit(node.operand)
            result = -operand if isinstance(node.op, ast.USub) else operand
        elif isinstance(node, ast.BinOp):
            result = combine(node.op, visit(node.left), visit(node.right))
        else:
            raise ValueError(f"not a sum of coefficients: {ast.unparse(node)}")
        return result

    def combine(operator: ast.operator, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        if isinstance(operator, ast.Add):
            return left + right
        if isinstance(operator, ast.Sub):
            return left - right
        if isinstance(operator, ast.Mult) and not (left[:-1].any() and right[:-1].any()):
            return left * right[-1] if left[:-1].any() else left[-1] * right
        if isinstance(operator, ast.Div) and not right[:-1].any() and right[-1] != 0.0:
            return left / right[-1]
        raise ValueError("not linear in the coefficients")

    return visit(ast.parse(side, mode="eval").body)


def _equations(plain: str, text: str) -> list[tuple[str, str]]:
    """Both sides of each equation: ``a = b = 0`` is two of them."""
    equations: list[tuple[str, str]] = []
    for piece in plain.split(","):
        whole = piece.strip()
        if "=" in whole and whole.startswith("(") and whole.endswith(")"):
            # statsmodels takes an equation in parentheses.
            whole = whole[1:-1]
        sides = [side.strip() for side in whole.split("=")]
        if not all(sides):
            raise ModelError(f"the hypothesis {text!r} has an empty side.")
        equations += itertools.pairwise(sides if len(sides) > 1 else [sides[0], "0"])
    return equations


def _text(row: np.ndarray, value: float, names: Sequence[str]) -> str:
    """An equation as text."""
    terms = ""
    for coefficient, name in zip(row, names, strict=True):
        if coefficient == 0.0:
            continue
        sign = (" - " if coefficient < 0 else " + ") if terms else ("-" if coefficient < 0 else "")
        size = "" if abs(coefficient) == 1.0 else f"{abs(coefficient):.12g}*"
        terms += f"{sign}{size}{name}"
    return f"{terms or '0'} = {value:.12g}"


def estimable_equations(
    fit: FitBase, hypothesis: Any
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """R, q and texts of the equations R b = q, where R is zero at aliased coefficients.

    Where a combination is estimable, any value of these gives the same.

    Raises
    ------
    ModelError
        If a combination is not estimable.
    """
    matrix, values, texts = read_hypothesis(hypothesis, fit.names)
    aliased = np.isnan(fit.estimates)
    involved = (matrix[:, aliased] != 0.0).any(axis=1)
    if (involved & ~_estimable(fit, matrix)).any():
        used = (matrix[involved] != 0.0).any(axis=0)
        touched = [fit.names[k] for k in np.flatnonzero(used & aliased)]
        raise ModelError(
            f"the hypothesis involves {', '.join(touched)}, which the data cannot tell apart from "
            "earlier columns, in another combination than they tell of."
        )
    return np.where(aliased, 0.0, matrix), values, texts


def _combinations(
    fit: FitBase, hypothesis: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """R, q, estimates of the combinations, a root of their covariance, and their texts."""
    matrix, values, texts = estimable_equations(fit, hypothesis)
    effect = matrix @ np.nan_to_num(fit.estimates)
    return matrix, values, effect, fit.root_of_combinations(matrix), texts


def _estimable(fit: FitBase, matrix: np.ndarray) -> np.ndarray:
    """Whether each combination, (m, p), is the same whatever aliased coefficients are, (m,)."""
    aliased = getattr(fit, "aliased", ())
    if not isinstance(aliased, Mapping):
        # Models of several predictors do not keep what their aliased columns are the sums of.
        return np.zeros(len(matrix), dtype=bool)
    directions = null_space(fit.names, aliased).T
    limit = SAME_COMBINATION * (np.abs(matrix) @ np.abs(directions))
    return np.asarray((np.abs(matrix @ directions) <= limit).all(axis=1))


def t_test(fit: FitBase, hypothesis: Any) -> LinearTests:
    """Tests of single combinations; see `FitBase.t_test`."""
    _, values, effect, root, texts = _combinations(fit, hypothesis)
    sd = np.sqrt(np.square(root).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = (effect - values) / sd
    df = fit.df_inference if fit.use_t else np.inf
    pvalue = 2.0 * scipy.special.stdtr(df, -np.abs(statistic))
    return LinearTests(texts, effect, sd, values, statistic, pvalue, df)


def wald_test(fit: FitBase, hypothesis: Any, use_f: bool | None) -> HypothesisTest:
    """Joint test of all combinations; see `FitBase.wald_test`."""
    matrix, values, effect, root, texts = _combinations(fit, hypothesis)
    empty = ~(matrix != 0.0).any(axis=1)
    if empty.any():
        raise ModelError(f"the hypothesis {texts[int(empty.argmax())]!r} involves no coefficient.")
    scale = np.sqrt(np.square(root).sum(axis=1))
    if np.isnan(scale).any():
        raise ModelError(
            f"there are {fit.nobs:g} observations for {fit.rank} coefficients: without "
            "standard errors there is no test. Give more rows, or scale= as a number."
        )
    # By the root, not by the covariance: what squares of collinear coefficients' have lost stays.
    unit = root / scale[:, None] if scale.all() else np.zeros_like(root)
    least = np.linalg.svd(unit, compute_uv=False)[-1] if len(unit) <= unit.shape[1] else 0.0
    if least < RANK_TOLERANCE * len(texts):
        raise ModelError(_why_singular(fit, matrix))
    triangle = np.asarray(np.linalg.qr(unit.T, mode="r"))
    statistic = float(np.square(np.linalg.solve(triangle.T, (effect - values) / scale)).sum())
    use_f = fit.use_t if use_f is None else use_f
    return HypothesisTest.of(
        "Wald test", statistic, len(texts), fit.df_inference if use_f else None, texts
    )


def _why_singular(fit: FitBase, matrix: np.ndarray) -> str:
    if np.linalg.matrix_rank(matrix) < len(matrix):
        return (
            "the equations of the hypothesis are not independent of each other: leave out those "
            "that follow from the others."
        )
    if getattr(fit, "constraints", ()):
        return (
            "the constraints of this fit determine combinations that the hypothesis is about: test "
            "them by fg.anova(this fit, the fit without constraints)."
        )
    return (
        f"the {fit.cov_type!r} covariance of these {len(matrix)} combinations is singular, as "
        "that of fewer clusters than equations is: test fewer at a time."
    )
