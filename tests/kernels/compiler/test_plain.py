"""Numba's own pipelines give the same numbers as ours."""

import os
import subprocess
import sys
from pathlib import Path

import fastglm

FOLDER = Path(fastglm.__file__).parents[1]

# Many rows, a sample of which goes first, then columns of float32, then sums of some chunks; a
# family with log-densities, an intercept that shifts columns, a factor, and a sandwich covariance.
FITS = """
import numpy as np, fastglm as fg
from fastglm.kernels.compiler.backend import backend
from fastglm.passes import chunks
from fastglm.solve.starting import subsample
subsample.SAMPLE_FROM_VALUES, chunks.CHUNK_VALUES = 60_000, 4_096
random = np.random.default_rng(5)
X = np.column_stack([np.ones(20_000), random.normal(size=(20_000, 5))])
y = random.random(20_000) < 1 / (1 + np.exp(-X @ np.linspace(-0.5, 0.5, 6)))
fits = [fg.GLM(y.astype(float), X, family="binomial").fit(n_threads=1)]
g, x = random.integers(0, 4, 300), random.normal(10.0, 1.0, 300)
mean = np.exp(0.3 * g - 1 + 0.1 * x)
data = {"y": random.poisson(mean), "z": random.gamma(2.0, mean), "g": g.astype(str), "x": x}
for formula, family in (("y ~ g + x", "poisson"), ("z ~ g * x", "gamma")):
    fits.append(fg.GLM.from_formula(formula, data, family=family).fit(cov_type="HC3", n_threads=1))
print(backend.__name__)
print("_compiled" in vars(fits[0].family.score_rows.in_float32))
for fit in fits:
    for number in (fit.llf, fit.deviance, *fit.params, *fit.bse, *fit.resid_deviance[:5]):
        print(float(number).hex())
"""


def run(**environment):
    done = subprocess.run(
        [sys.executable, "-c", FITS],
        env=os.environ | {"PYTHONPATH": str(FOLDER)} | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_plain_numba_gives_the_same_bits():
    ours, in_float32, *numbers = run()
    plain, _, *same = run(FASTGLM_PLAIN_NUMBA="1")
    assert in_float32 == "True"
    assert ours.endswith(".numba_internals")
    assert plain.endswith(".plain")
    assert len(numbers) > 40
    assert same == numbers
