"""The solver's state, shared by compiled code and Python: positions of its numbers and vectors."""

from __future__ import annotations

import math
from enum import IntEnum


class Purpose(IntEnum):
    """What a run is for."""

    RESULT = 0
    #: To start another run, from a sample of the rows: estimates need no refining.
    SUBSAMPLE = 1
    #: All rows in single precision: done once a step leaves nothing that it could see.
    LOW_PRECISION = 2


#: DEVIANCE of a run that has evaluated no coefficients yet: any deviance is lower.
NO_DEVIANCE = math.inf
#: DECREMENT and LAST_DECREMENT before the first step.
NO_STEP = math.inf
#: REUSES_LEFT and MAX_ITERATIONS of a run whose caller decides when to end it.
UNLIMITED = math.inf

# float64 state of a fit.
(
    STATUS,
    TOLERANCE,
    MAX_ITERATIONS,
    N_ITERATIONS,  # accepted steps
    N_SWEEPS,
    DEVIANCE,  # at the accepted coefficients
    PEARSON,
    DECREMENT,  # step' score: twice the predicted fall of half the deviance
    LAST_DECREMENT,
    STEP_LENGTH,  # share of STEP that is being tried
    WITHIN_TOLERANCE,  # 1 once the decrement met the tolerance: the sweeps after that refine
    REUSES_LEFT,  # sweeps still allowed with the factor of an earlier Gram matrix
    FACTOR_WAS_REUSED,  # 1 if the last sweep was one of these, the next has its own Gram matrix
    FACTOR_SCALE,  # the reused factor's Gram matrix times this is the estimate for all rows
    N_ALIASED,
    LEAST_PIVOT,  # of the last factor
    UNCERTAINTY_CHANGE,  # of the Gram matrix's diagonal and Pearson's statistic, relative
    WEIGHT_CHANGE,  # of the Gram matrix's diagonal alone, at most 1
    IS_WEIGHT_CHANGE_UNKNOWN,  # 1 with none before to compare with, and where weights doubled
    RIDGE,  # precision of a normal prior about zero on every coefficient: of samples only
    IS_NEWTON,  # 1 where Fisher's information is the Hessian: the link is canonical
    HAS_CONSTANT_WEIGHTS,  # 1 where no weight, and so no Gram matrix, depends on the coefficients
    PURPOSE,  # a `Purpose`
    PEARSON_WEIGHT,  # of changes in Pearson's statistic, among those of the uncertainty
    LEFT_DOMAIN_AT,  # number of the last accepted step that had been shortened to stay inside
    UNCERTAINTY_SLACK,  # what may be left of the uncertainty at the end, in units of the tolerance
    REMAINING_CHANGE,  # what is left of it
    INFLATION,  # of the last inverse: see `fastglm.solve.conditioning`
    N_LBFGS_PAIRS,  # pairs of a move and the change of score it brought, kept in LBFGS_PAIRS
    LBFGS_WEIGHTS,  # the first of MEMORY numbers
) = range(30)

#: Most such pairs.
MEMORY = 6
STATE_SIZE = LBFGS_WEIGHTS + MEMORY

# float64 (n_vectors, p): vectors of the solver, on its own scale. MEMORY moves stand from
# LBFGS_PAIRS on, then MEMORY changes of score. DIAGONAL is that of the last Gram matrix, 0 where
# not known.
(COEFFICIENTS, STEP, SCORE, LAST_SCORE, COLUMN_SCALE, PIVOT, TRIAL, DIAGONAL, LBFGS_PAIRS) = range(
    9
)
N_VECTORS = LBFGS_PAIRS + 2 * MEMORY
