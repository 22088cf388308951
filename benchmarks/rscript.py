"""R's glm.fit, timed by R itself, on arrays handed over in files."""

from __future__ import annotations

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

# Short fits are repeated inside R until the clock can tell; the standard errors are summary.glm's.
_PROGRAM = """
n <- {n}; p <- {p}
X <- matrix(readBin("{folder}/X", "double", n * p), n, p)
y <- readBin("{folder}/y", "double", n)
family <- {family}
fit <- function() {{
  f <- glm.fit(X, y, family = family, control = glm.control(epsilon = {epsilon}, maxit = 100))
  known <- family$family %in% c("binomial", "poisson")
  dispersion <- if (known) 1 else sum(f$weights * f$residuals^2) / f$df.residual
  list(f$coefficients, sqrt(dispersion * diag(chol2inv(f$qr$qr[1:p, 1:p, drop = FALSE]))))
}}
times <- 1
repeat {{
  seconds <- system.time(for (i in 1:times) result <- fit())[["elapsed"]]
  if (seconds > 0.1) break
  times <- times * 10
}}
cat(sprintf("%.17g\\n", c(seconds / times, result[[1]], result[[2]])), sep = "")
"""


@dataclass(frozen=True)
class Answer:
    """Seconds of one fit, coefficients and standard errors."""

    seconds: float
    coefficients: np.ndarray
    standard_errors: np.ndarray


class GlmFit:
    """One problem written out for R."""

    def __init__(self, data: Data, epsilon: float):
        self._data = data
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        n, self._p = data.dense.shape
        data.dense.T.tofile(folder / "X")
        data.response.tofile(folder / "y")
        self._script = folder / "fit.R"
        self._script.write_text(
            _PROGRAM.format(
                n=n, p=self._p, folder=folder, family=_FAMILIES[data.family], epsilon=epsilon
            )
        )

    def run(self) -> Answer:
        """Start R, read the data and fit."""
        command = ["Rscript", "--vanilla", str(self._script)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        numbers = np.array(done.stdout.split(), dtype=np.float64)
        return Answer(numbers[0], numbers[1 : self._p + 1], numbers[self._p + 1 :])

    def deviance(self, answer: Answer) -> float:
        """Deviance at R's coefficients."""
        eta = self._data.dense @ answer.coefficients
        mean = special.expit(eta) if self._data.family == "binomial" else np.exp(eta)
        return self._data.deviance(mean)
