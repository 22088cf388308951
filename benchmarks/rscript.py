"""R's fits, timed by R itself, on arrays handed over in files."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import special

from benchmarks.problems import Data

_FAMILIES = {
    "binomial": "binomial()",
    "poisson": "poisson()",
    "gamma": 'Gamma(link = "log")',
}

# Short fits are repeated inside R until the clock can tell.
_PROGRAM = """
n <- {n}; p <- {p}
X <- matrix(readBin("{folder}/X", "double", n * p), n, p)
y <- readBin("{folder}/y", "double", n)
{fit}
times <- 1
repeat {{
  seconds <- system.time(for (i in 1:times) result <- fit())[["elapsed"]]
  if (seconds > 0.1) break
  times <- times * 10
}}
cat(sprintf("%.17g\\n", c(seconds / times, result)), sep = "")
"""

# The standard errors are summary.glm's.
_GLM = """
family <- {family}
fit <- function() {{
  f <- glm.fit(X, y, family = family, control = glm.control(epsilon = {epsilon}, maxit = 100))
  known <- family$family %in% c("binomial", "poisson")
  dispersion <- if (known) 1 else sum(f$weights * f$residuals^2) / f$df.residual
  inverse <- chol2inv(f$qr$qr[1:p, 1:p, drop = FALSE])
  c(f$coefficients, sqrt(dispersion * diag(inverse)))
}}
"""

_GLM_NB = """
fit <- function() {{
  f <- MASS::glm.nb(y ~ X - 1, control = glm.control(epsilon = {epsilon}, maxit = 100))
  c(coef(f), summary(f)$coefficients[, 2], f$theta)
}}
"""


def version() -> str | None:
    """R's version, or None where there is no Rscript."""
    if shutil.which("Rscript") is None:
        return None
    done = subprocess.run(["Rscript", "--version"], capture_output=True, text=True, check=True)
    return re.search(r"version (\S+)", done.stdout + done.stderr)[1]


@dataclass(frozen=True)
class Answer:
    """Seconds of one fit, coefficients, standard errors, and what else there is."""

    seconds: float
    coefficients: np.ndarray
    standard_errors: np.ndarray
    others: np.ndarray


class RFit:
    """One problem written out for R, with the definition of a function ``fit``."""

    def __init__(self, data: Data, definition: str):
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        n, self._p = data.dense.shape
        data.dense.T.tofile(folder / "X")
        data.response.tofile(folder / "y")
        self._script = folder / "fit.R"
        self._script.write_text(_PROGRAM.format(n=n, p=self._p, folder=folder, fit=definition))

    def run(self) -> Answer:
        """Start R, read the data and fit."""
        command = ["Rscript", "--vanilla", str(self._script)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        numbers = np.array(done.stdout.split(), dtype=np.float64)
        return Answer(numbers[0], *np.split(numbers[1:], [self._p, 2 * self._p]))


def glm_fit(data: Data, epsilon: float) -> RFit:
    """R's glm.fit."""
    return RFit(data, _GLM.format(family=_FAMILIES[data.family], epsilon=epsilon))


def glm_nb(data: Data, epsilon: float) -> RFit:
    """glm.nb of R's package MASS; the other number is its theta, 1 / alpha."""
    return RFit(data, _GLM_NB.format(epsilon=epsilon))


def deviance(data: Data, answer: Answer) -> float:
    """Deviance at R's coefficients."""
    eta = data.dense @ answer.coefficients
    return data.deviance(special.expit(eta) if data.family == "binomial" else np.exp(eta))
