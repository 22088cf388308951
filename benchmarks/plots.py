"""The two pictures: seconds by library, and time against rows and columns."""

from __future__ import annotations

from pathlib import Path
from statistics import mode
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.report import GROUPS, fastest, ours, ratio, seconds_text
from benchmarks.suite import SCALING_COLUMNS

# Okabe and Ito's colours, told apart by every kind of colour vision.
COLOURS = {
    "fastglm": "#D55E00",
    "statsmodels": "#0072B2",
    "glum": "#56B4E9",
    "scikit-learn": "#009E73",
    "R": "#CC79A7",
}


def draw_speed(results: list[dict[str, Any]], path: Path) -> None:
    """Horizontal bars of seconds on a logarithmic axis, one panel per problem."""
    n_rows = -(-len(results) // 2)
    figure, axes = plt.subplots(n_rows, 2, figsize=(11, 2.3 * n_rows), squeeze=False)
    for ax in axes.flat[len(results) :]:
        ax.set_visible(False)
    for ax, result in zip(axes.flat, results, strict=False):
        _draw_problem(ax, result)
    for ax in axes[-1]:
        ax.set_xlabel("seconds, logarithmic")
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _draw_problem(ax: Axes, result: dict[str, Any]) -> None:
    bars = [("fastglm", ours(result))]
    bars += [(head, fastest(result, [library], errors)) for head, library, errors in GROUPS]
    shown = [(head, fit) for head, fit in bars if fit is not None]
    for place, (head, fit) in enumerate(shown):
        ax.barh(place, fit["median"], color=COLOURS[fit["library"]], height=0.72)
        times = ratio(result, fit)
        label = seconds_text(fit["median"])
        if head != "fastglm" and times is not None:
            label += f"  ({times:.3g}×)"
        ax.annotate(
            label, (fit["median"], place), (4, 0), textcoords="offset points", va="center", size=9
        )
    ax.set_yticks(range(len(shown)), [head for head, _ in shown])
    ax.invert_yaxis()
    ax.set_xscale("log")
    seconds = [fit["median"] for _, fit in shown]
    # Bars need a left end although a logarithmic axis has none; the labels need room at the right.
    ax.set_xlim(min(seconds) / 3, max(seconds) * 12)
    ax.set_title(result["title"], loc="left", size=10, weight="bold")
    ax.spines[["top", "right"]].set_visible(False)


def draw_scaling(scaling: dict[str, Any], path: Path) -> None:
    """Seconds against rows, and seconds per n p² against columns."""
    points = scaling["points"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8))
    by_rows = sorted((q["n"], q["seconds"]) for q in points if q["p"] == SCALING_COLUMNS)
    n, seconds = np.array(by_rows).T
    left.loglog(n, seconds, "o-", color=COLOURS["fastglm"], label="fastglm")
    left.loglog(n, seconds[-1] * n / n[-1], ":", color="0.5", label="proportional to n")
    left.set(xlabel="rows n", ylabel="seconds")
    left.set_title(f"logistic, {SCALING_COLUMNS} columns", loc="left", size=10, weight="bold")
    rows = mode(q["n"] for q in points if q["p"] != SCALING_COLUMNS)
    by_columns = sorted((q["p"], q["seconds"]) for q in points if q["n"] == rows)
    p, seconds = np.array(by_columns).T
    right.loglog(p, seconds / (rows * p**2) * 1e9, "o-", color=COLOURS["fastglm"], label="fastglm")
    right.axvline(50, color="0.5", linestyle=":", label="p = 50")
    right.set(xlabel="columns p", ylabel="nanoseconds per n p²")
    right.set_title(f"logistic, {rows:,} rows", loc="left", size=10, weight="bold")
    for ax in (left, right):
        ax.legend(frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)
