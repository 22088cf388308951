"""The solver's state, shared by compiled code and Python: positions of its numbers and vectors."""

from __future__ import annotations

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
    FACTOR_SCALE,  # the reused factor's Gram matrix times this is the estimate for all rows
    N_ALIASED,
    LEAST_PIVOT,  # of the last factor
    UNCERTAINTY_CHANGE,  # of the Gram matrix's diagonal and Pearson's statistic, relative
    WEIGHT_CHANGE,  # of the Gram matrix's diagonal alone; 1 with none before to compare with
    RIDGE,  # precision of a normal prior about zero on every coefficient: of samples only
    IS_NEWTON,  # 1 where Fisher's information is the Hessian: the link is canonical
    HAS_CONSTANT_WEIGHTS,  # 1 where no weight, and so no Gram matrix, depends on the coefficients
    PURPOSE,  # 0 if the run is to give results, else what it is for: STARTING or LEADING
    PEARSON_WEIGHT,  # of changes in Pearson's statistic, among those of the uncertainty
    LEFT_DOMAIN_AT,  # number of the last accepted step that had been shortened to stay inside
    UNCERTAINTY_SLACK,  # what may be left of the uncertainty at the end, in units of the tolerance
    REMAINING_CHANGE,  # what is left of it
    INFLATION,  # of the last inverse: see `fastglm.solve.conditioning`
    N_LBFGS_PAIRS,  # pairs of a move and the change of score it brought, kept in LBFGS_PAIRS
    LBFGS_WEIGHTS,  # the first of MEMORY numbers
) = range(28)

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

#: Below this share of unexplained variation a Gram matrix cannot tell a column from a combination
#: of earlier ones: its entries carry rounding errors of about 1e-15.
RANK_TOLERANCE = 1e-10
#: Shortest share of a step that is tried.
SHORTEST_STEP = 2.0**-40
