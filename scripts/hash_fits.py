"""Hash what fits give, to the last bit: run before and after a change that may move no number.

    python scripts/hash_fits.py > before.txt
    ... the change ...
    python scripts/hash_fits.py | diff before.txt -

A regular expression as argument picks the models whose name it finds. Each line is a model and one
kind of answer. The models are R's reference cases in ``tests/data``, each family with each of its
links, and small problems of the benchmarks. The same on one machine with one set of libraries
only: other instructions round otherwise.
"""

from __future__ import annotations

import hashlib
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "families")]

import oracle  # noqa: E402
import reference_cases  # noqa: E402

import fastglm as fg  # noqa: E402
from benchmarks.problems import find  # noqa: E402
from fastglm.inference.rows.simulate import draw_responses  # noqa: E402
from fastglm.kernels.blocks import row_buffers  # noqa: E402

ROWS = 300
BENCHMARKS = (
    "logistic-20000x10",
    "poisson-20000x10",
    "gamma-20000x10",
    "negative_binomial-20000x10",
)
SEED = 1
RESIDUALS = ("response", "pearson", "deviance", "working", "anscombe")

Model = Callable[[], Any]


def reference_models() -> Iterator[tuple[str, Model]]:
    """R's cases, fitted to the design matrices that R made."""
    for name in reference_cases.case_names():
        if reference_cases.read_case(name)["design_file"] is None:
            continue

        def fit(name: str = name) -> Any:
            case = reference_cases.read_case(name)
            y, X, rest = reference_cases.case_arrays(case)
            return fg.GLM(y, X, family=reference_cases.case_family(case), **rest).fit()

        yield name, fit


def family_models() -> Iterator[tuple[str, Model]]:
    """Each family with each of its links, responses from a seed, with weights."""
    for label, family in oracle.make_families().items():
        for link in family.links:

            def fit(family: Any = family, link: Any = link) -> Any:
                generator = np.random.default_rng(SEED)
                X = np.column_stack([np.ones(ROWS), generator.uniform(0.1, 0.9, (ROWS, 2))])
                mean = 0.2 + X[:, 1:] @ [0.2, 0.4]
                y = generator.gamma(4.0, mean / 4.0)
                if family.domain.upper == 1.0:
                    y = (generator.random(ROWS) < mean).astype(float)
                elif family.domain.includes_lower:
                    y = np.round(3.0 * y)
                weights = generator.integers(1, 4, ROWS).astype(float)
                return fg.GLM(y, X, family=family.with_link(link), var_weights=weights).fit()

            yield f"{label} {link.__name__}", fit


def estimated_models() -> Iterator[tuple[str, Model]]:
    """Families whose parameter is estimated, and estimates of less bias."""
    generator = np.random.default_rng(SEED)
    X = np.column_stack([np.ones(ROWS), generator.normal(size=(ROWS, 2))])
    counts = generator.negative_binomial(2.0, 2.0 / (2.0 + np.exp(0.5 + 0.3 * X[:, 1]))) * 1.0
    sizes = generator.gamma(2.0, np.exp(X[:, 1])) * (generator.random(ROWS) < 0.7)
    binary = (counts > 1.0).astype(float)
    yield "alpha", lambda: fg.GLM(counts, X, family="negative_binomial").fit()
    yield "var_power", lambda: fg.GLM(sizes, X, family="tweedie").fit()
    responses = {
        "binomial": binary, "poisson": counts, "gaussian": sizes, "gamma": sizes + 0.1,
        "inverse_gaussian": sizes + 0.1, "quasipoisson": counts, "quasibinomial": binary,
        "quasi": sizes,
    }  # fmt: skip
    for kind in ("firth", "median"):
        for name, y in responses.items():
            link = "log" if name in ("gamma", "inverse_gaussian") else None
            yield (
                f"{kind} {name}",
                lambda y=y, name=name, link=link, kind=kind: fg.GLM(
                    y, X, family=name, link=link
                ).fit(bias_reduction=kind),
            )


def benchmark_models() -> Iterator[tuple[str, Model]]:
    """Dense problems of the benchmarks, of few enough rows."""
    for name in BENCHMARKS:
        data = find(name).build()
        yield name, lambda data=data: fg.GLM(data.response, data.X, family=data.family).fit()


def response_models() -> Iterator[tuple[str, Model]]:
    """Each model of several linear predictors, from a formula with weights, and from arrays."""
    generator = np.random.default_rng(SEED)
    x, z = generator.normal(size=(2, ROWS))
    frame = pd.DataFrame({"x": x, "z": z, "g": pd.Categorical(np.tile(["a", "b", "c"], ROWS // 3))})
    frame["w"], frame["o"] = generator.integers(1, 4, ROWS), generator.uniform(-0.2, 0.2, ROWS)
    counts = generator.poisson(np.exp(0.5 + 0.4 * x) * generator.gamma(2.0, 0.5, ROWS))
    frame["counts"] = np.where(generator.random(ROWS) < 0.3, 0.0, counts)
    share = generator.beta(*(5.0 * np.array([special.expit(0.3 * x), special.expit(-0.3 * x)])))
    frame["share"], frame["rest"] = share, 1.0 - share
    latent = np.outer(x, [0.0, 0.5, -0.5]) + generator.gumbel(size=(ROWS, 3))
    frame["level"] = latent.argmax(axis=1)
    X = np.column_stack([np.ones(ROWS), x, z])
    negative, further = "negative_binomial", "~ z + offset(o)"
    for name, response, options, second in (
        ("MNLogit", "level", {"reference": 1}, None),
        ("OrderedModel", "level", {"link": "probit"}, None),
        ("BetaModel", "share", {"link": "cloglog"}, ("precision", further)),
        ("DirichletModel", "cbind(share, rest)", {"information": "expected"}, None),
        ("NegativeBinomialP", "counts", {"power": 1.5}, ("dispersion", further)),
        ("ZeroInflated", "counts", {"family": negative}, ("zeros", further)),
        ("Hurdle", "counts", {"family": negative}, ("zeros", further)),
    ):
        kind = getattr(fg, name)
        more = options | ({second[0]: second[1]} if second else {})
        formula = f"{response} ~ x + g + offset(o)"
        yield (
            f"{name} formula",
            lambda kind=kind, formula=formula, more=more: kind.from_formula(
                formula, frame, freq_weights="w", **more
            ).fit(),
        )
        y = frame[["share", "rest"]] if name == "DirichletModel" else frame[response]
        columns = {second[0]: X} if second else {}
        design = X[:, 1:] if name == "OrderedModel" else X
        weights = {"var_weights": frame["w"], "offset": frame["o"]}
        yield (
            f"{name} arrays",
            lambda kind=kind, y=y, design=design, columns=columns, weights=weights: kind(
                y, design, **columns, **weights
            ).fit(),
        )


def _fit(fit: Any) -> list[Any]:
    if hasattr(fit, "blocks"):
        return [fit.params, fit.cov_params(), fit.llf, fit.llnull, fit.aic, fit.bic, fit.n_iter]
    return [fit.params, fit.cov_params(), fit.deviance, fit.pearson_chi2, fit.scale, fit.llf,
            fit.aic, fit.null_deviance, fit.llnull, fit.n_iter, fit.parameter_se]  # fmt: skip


def _draws(fit: Any) -> list[Any]:
    rows = fit.model.rows
    weights = np.ones(rows.n_rows) if rows.variance_weights is None else rows.variance_weights
    (mean,) = fit.row_values(row_buffers.MEAN)
    return [draw_responses(fit, mean, weights, np.random.default_rng(SEED))]


def _intervals(fit: Any) -> list[Any]:
    return [fit.get_prediction().summary_frame().to_numpy()]


#: The kinds of answers; each of a fit gives numbers and arrays.
ANSWERS: dict[str, Callable[[Any], list[Any]]] = {
    "fit": _fit,
    "HC3": lambda fit: [fit.with_covariance("HC3").cov_params()],
    "residuals": lambda fit: [getattr(fit, f"resid_{kind}") for kind in RESIDUALS],
    "quantile residuals": lambda fit: [fit.resid_quantile(SEED)],
    "draws": _draws,
    "intervals": _intervals,
    "link test": lambda fit: [fit.link_test().statistic],
    "single terms": lambda fit: [fit.drop1().summary_frame().to_numpy()],
}


#: Sums over a hundred million Poisson counts, for a mean beyond all responses.
ENDLESS = {("v_tweedie12_canonical_clotting", "intervals")}


#: The same of fits of several linear predictors.
RESPONSE_ANSWERS: dict[str, Callable[[Any], list[Any]]] = {
    "fit": _fit,
    "HC1": lambda fit: [fit.with_covariance("HC1").cov_params()],
    "residuals": lambda fit: [fit.resid_response, fit.resid_pearson],
    "quantile residuals": lambda fit: [fit.resid_quantile(SEED)],
    "predictions": lambda fit: [fit.predict(which=which) for which in (*fit.predictions, "linear")],
}


def digest(values: list[Any]) -> str:
    """The first digits of a hash of the bits."""
    hashed = hashlib.sha256()
    for value in values:
        hashed.update(np.ascontiguousarray(value, dtype=np.float64).tobytes())
    return hashed.hexdigest()[:16]


def answer(ask: Callable[[Any], list[Any]], fit: Any) -> str:
    """The hash of an answer, or the error in its place."""
    try:
        return digest(ask(fit))
    except Exception as error:
        return type(error).__name__


def main(pattern: str = "") -> None:
    """Print a line for each kind of answer of each model whose name has the pattern."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    for models in (
        estimated_models, response_models, family_models, reference_models, benchmark_models
    ):  # fmt: skip
        for name, make in models():
            if not re.search(pattern, name):
                continue
            try:
                fit = make()
            except fg.FastGLMError as error:
                print(f"{name:40} {type(error).__name__}", flush=True)
                continue
            kinds = RESPONSE_ANSWERS if hasattr(fit, "blocks") else ANSWERS
            if fit.nobs > 5_000:
                kinds = {"fit": _fit}
            kinds = {kind: ask for kind, ask in kinds.items() if (name, kind) not in ENDLESS}
            for kind, ask in kinds.items():
                print(f"{name:40} {kind:20} {answer(ask, fit)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
