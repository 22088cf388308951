"""The constants of Newton's method and of its shortcuts, each with its reason.

Constants of shortcuts change the number of sweeps, but no digits: `fastglm.solve.shortcuts` does
without them, and ``tests/solve/test_shortcut_guards.py`` tests what each of them guards.

Measured: sweeps of all rows, in fits to 200,000 rows of 20 normal columns (logistic: 3, Poisson: 5,
gamma with log link and probit: 4, logistic with 1 % events: 5, one of each in double precision) and
to 60,000 rows of 80 columns ("wide": logistic 6, Poisson 7, gamma 8), with other values.
"""

from __future__ import annotations

# -- steps and rank

#: Below this share of unexplained variation a Gram matrix cannot separate a column from
#: combinations of earlier ones: its entries carry rounding errors of about 1e-15.
RANK_TOLERANCE = 1e-10
#: Shortest share of a step that is tried.
SHORTEST_STEP = 2.0**-40
#: Most sweeps for each iteration that is allowed, where steps keep being shortened, if they read
#: more than this many rows. Optima at the boundary of the domain take 20 sweeps an iteration, which
#: cost nothing if rows are few.
MOST_SWEEPS, FEW_ROWS_SWEPT = 4.0, 1e6

# -- when a run has converged

#: A deviance is a sum with rounding errors: a rise by less than this share of it is none.
DEVIANCE_ROUNDING = 1e-12
#: Standard errors come from weights at the last coefficients that were evaluated. What is left to
#: change of them is about the last change times the ratio of the last two steps; up to this many
#: times tol is good enough, of variances, whose square roots they are.
STANDARD_ERROR_SLACK = 10.0
#: A step as small as this share of its bound is the end of that as well.
NEGLIGIBLE = 1e-4
#: The predicted decrement may be wrong by a factor: only this share of the target is good enough.
PREDICTED_SHARE = 1e-2
#: A refining step after which this share of the decrement is left has reached rounding, if no more
#: is left than ROUNDING_SHARE of the tolerance; else it is slow, and may have far to go.
MAX_CONTRACTION = 0.9
ROUNDING_SHARE = 1e-6
#: Where weights still change by more than this share from step to step, a decrement that does not
#: shrink is no rounding: it is small because the weights are, far from any optimum.
MAX_WEIGHT_CHANGE = 0.1
#: So is one that has all but vanished at a stroke, to less than this share. In between, convergence
#: is steady, if only to a supremum.
MIN_CONTRACTION = 1e-6
#: An optimum is close where half the decrement is within this share of the deviance.
CLOSE = 1e-2
#: Newton steps leave far less than this share of the decrement there. Where Fisher's information is
#: not the Hessian more is left, and L-BFGS pairs are worth keeping.
SLOW_CONTRACTION = 1e-3
#: A reused factor that leaves more than this share is not worth keeping.
MAX_REUSE_CONTRACTION = 0.1
#: Remainder of a step and of the precise one after it, as a share of the slack.
AHEAD_SHARE = 0.1

# -- starts from a sample of the rows

#: A sample is tried when X has more values than this.
SAMPLE_FROM_VALUES = 2_000_000
#: One row in so many is in it: its sweeps cost less than the one of all rows that it saves.
#: Measured: with 4, gamma takes a second sweep in double precision; with 16, 1 % events take a
#: sixth sweep.
SAMPLE_SHARE = 8
#: Where sweeps without a Gram matrix are so cheap that there may be many, fewer rows will do.
SMALL_SAMPLE_SHARE = 16
#: With fewer rows for each column, a sample's optimum is too far away to be worth fitting.
#: Measured: 16 changes no sweep. With 256 the wide fits take 5, 5 and 7 sweeps of all rows after a
#: larger sample, together 3 % more (logistic) to 10 % fewer (gamma) weighted passes.
SAMPLE_ROWS_PER_COLUMN = 64
#: A sample that only another one starts from may do with less.
FEWER_ROWS_PER_COLUMN = 16
#: Of a sample, in units of its own error: about one of the decrement per coefficient. Measured:
#: with a tenth or ten times of it there are as many sweeps of all rows.
SUBSAMPLE_TOLERANCE = 0.05
#: Largest share of the decrement that a step of Fisher scoring is assumed to leave close by.
#: Measured: with 0.1 gamma and probit take one more sweep of the sample, with 0.001 none less.
SCORING_LEAVES = 0.01
#: From this many dense columns on, a sweep without a Gram matrix is much cheaper than one with it.
REUSE_FROM_DENSE = 48
#: From this many columns on, it is somewhat cheaper, and only the first sweep does without.
REUSE_FROM_COLUMNS = 12
#: Most sweeps with the factor of a sample.
MAX_REUSES = 8
#: Single precision separates columns of equal length if their Gram matrix has no smaller
#: eigenvalue: a thousand times the relative rounding error of its entries. Measured: 1e-6 changes
#: no sweep; with 1e-3 Poisson with columns that correlate by 0.999 takes 3 instead of 4.
LEAST_EIGENVALUE = 1e-4
#: Most sweeps in single precision: a fit that needs more goes on in double.
FLOAT32_SWEEPS = 12
#: Decrement at which sweeps in single precision end: less would be lost in its rounding. Measured:
#: with 1e-9 the wide fits take 3 to 6 more sweeps; with 1e-5 Poisson and gamma take a second one in
#: double precision, which costs twice as much.
FLOAT32_SLACK = 1e-7
#: Largest remaining change of the uncertainty, in units of `tol`, that chunks may estimate.
#: Measured: with 10, 1 % events take a second sweep in double precision; 1000 saves none.
FINALIZED_LATER_SLACK = 100.0

#: Without a sample, a Gram matrix of all rows leads where sweeps without one are this cheap.
LEAD_FROM_DENSE, LEAD_FROM_VALUES = 128, 1_000_000
#: Single precision leads on from a matrix whose columns leave this share of each other unexplained.
LEAST_LEADING_PIVOT = 1e-3
#: So does one of sparse columns as many as these, whose factor takes far longer than a sweep.
#: Measured: with 3,000 columns three factors in place of five.
LEAD_FROM_SPARSE = 512

# -- corrections from some chunks

#: Chunks that are swept once more for a remainder, and the fewest that there must be of all.
#: Measured: with 8, the logistic fit takes 3 sweeps instead of 2, with 4 that of half the rows;
#: with 64, which cost half a sweep, Poisson takes 2 instead of 3 and no other fit fewer.
CHUNKS, LEAST_OF_ALL = 16, 8
#: A correction whose step has more than this share of the decrement is not small. Measured: 1e-4
#: and 0.1 change no sweep of these fits.
SMALL = 1e-2
#: Sums of these chunks, in proportion, may differ from those of all by this share. Measured: from
#: 0.05 to 5 it changes no sweep of these fits, nor of fits with a column that 3 % of the rows, side
#: by side, have alone: bounds on the errors decide before it does.
ALIKE = 0.5
#: Share of the allowed error of standard errors that may be sampling error. Measured: 0.1 changes
#: no sweep, and with 0.7 the logistic fit takes a second one in double precision.
ERROR_SHARE = 0.35
#: A chunk with more than this share of a sum of squares has rows unlike all others.
MOST_OF_ALL = 0.5
#: With more columns, a sweep costs less than what each chunk changes of every variance.
MOST_COLUMNS = 128
