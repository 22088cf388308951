"""The table that every chunked kernel reads: sizes, and addresses of the arrays it works on.

A kernel is a C function of two integers, the address of such a table and the number of a chunk of
rows. Passing one table instead of thirty arrays keeps the call as cheap as a function call in C (a
fit of 100 rows takes tens of microseconds in all), and lets one parallel loop serve every kernel.
The names below are positions in the table; addresses are of contiguous arrays.
"""

from __future__ import annotations

import ctypes

import numpy as np

(
    N_ROWS,
    N_CHUNKS,
    N_BLOCKS,  # blocks that this pass visits
    BLOCK_STEP,  # distance between visited blocks: 1 is every block, more is a sample
    BLOCK_LENGTH,  # most rows read of each
    CHUNK_STEP,  # distance between visited chunks: 1 is every chunk, more is a sample
    MODE,  # sum of the modes below
    N_DENSE,  # stored columns held as dense buffers
    N_INDICATORS,  # categorical terms
    N_STORED,  # all stored columns: dense, then the levels of each categorical, then sparse
    N_ELIMINATED,  # last stored columns, levels of one categorical, that a fit eliminates first
    SOURCES,  # int64 (n_sources, 3): address, stride in elements, element type
    DENSE_START,  # int64 (n_dense + 1,): where each dense column's factors begin in DENSE_FACTOR
    DENSE_FACTOR,  # int64: sources whose product is the column; with no factor it is all ones
    DESIGN_COLUMN_OF,  # int64 (n_dense,): the design column that it is and nothing else, or -1
    INDICATOR_START,  # int64 (n_indicators + 1,): where each term's categoricals begin
    INDICATOR_SOURCE,  # int64: sources of integer codes
    INDICATOR_STRIDE,  # int64: what one step of the code adds to the combined code
    INDICATOR_OFFSET,  # int64 (n_indicators,): stored column of the term's combined code 0
    INDICATOR_FACTOR_START,  # int64 (n_indicators + 1,)
    INDICATOR_FACTOR,  # int64: sources that multiply the indicator
    SPARSE_START,  # int64 (n + 1,): row pointers of one CSR matrix, address 0 if there is none
    SPARSE_INDEX,  # int32
    SPARSE_VALUE,  # float64
    SPARSE_OFFSET,  # stored column of the matrix's first column
    MAX_ENTRIES,  # most sparse entries (categorical terms included) in one row
    SHIFT,  # float64 (n_dense,), subtracted first
    SCALE,  # float64 (n_dense,), then multiplied by
    CONSTANT,  # dense column believed to be all ones once scaled, -1 if there is none
    RESPONSE_SOURCE,
    WEIGHT_SOURCE,  # -1: all ones
    OFFSET_SOURCE,  # -1: all zeros
    PARAMETERS,  # float64 (3,): of the family, dispersion, of the link
    BETA,  # float64 (n_stored,)
    LOAD,  # addresses of stages
    WIDEN,
    PREDICT,
    ACCUMULATE,
    FORWARD_ROWS,  # addresses of row blocks
    INVERSE_ROWS,
    START_ROWS,
    RESPOND_ROWS,
    LOG_DENSITY_ROWS,
    PARTIALS,  # float64 (n_chunks, partial size): each chunk's own sums
    N_DESIGN,  # design columns
    COLUMN_MAP_START,  # int64 (n_design + 1,), address 0: the model's columns are the sweep's
    COLUMN_MAP_INDEX,  # int64
    COLUMN_MAP_VALUE,  # float64
    STATE,  # float64 (state size,): the solver's numbers (`fastglm.solve.newton.state`)
    VECTORS,  # float64 (n_vectors, n_design): the solver's vectors
    GRAM,  # float64 (n_design, n_design): of the model's columns
    TRIANGLE,  # float64 (n_design, n_design): its factor
    GRAM_WORK,  # float64 (n_stored, n_design)
    N_KEPT,  # design columns that a fit does not eliminate first; GRAM and TRIANGLE are of these
    KEPT_COLUMN,  # int64 (n_kept,): which design columns these are
    LEVEL_COLUMN,  # int64 (n_eliminated,): the design column of each eliminated level, or -1
    ELIMINATION,  # float64: see `fastglm.solve.newton.elimination`
    N_WANTED,  # row outputs: how many buffers are written out
    WANTED,  # int64 (n_wanted,): which buffers
    OUTPUT,  # float64 (n_wanted, n_rows)
    FACTOR,  # float64 (n_factor, n_stored): the quadratic form of a row is |factor x|**2
    N_FACTOR,
    QUADRATIC,  # address of the stage that evaluates it
    LEVERAGE_POWER,  # sandwich sums: residuals**2 are over (1 - leverage)**LEVERAGE_POWER
    MEAN_LEVERAGE,  # float64 (2,): and the most that single precision takes of WEIGHT * eta**2
    ROW_FACTOR,  # float64 (n_rows,): how often each row was observed, address 0 if once
    LINEAR_PREDICTORS,  # float64 (n_rows,), with intervals of this many standard errors each way:
    STANDARD_ERRORS,  # float64 (n_rows,)
    CRITICAL_VALUE,  # float64 (1,)
    GROUP,  # int64 (n_rows,): which sum of scores a row belongs to
    N_GROUPS,
    N_LAGS,  # rows before a row whose scores are added to its own
    REPLICATE_COUNT,  # (blocks of units, N_DRAWN, rows of a block): how often each was drawn, or
    # what new responses add to the scaled residual of each row
    COUNT_BYTES,  # 1 for uint8, 8 for int64; 4 for float32, which is added
    REPLICATE_NUMBER,  # int64 (N_REPLICATES,): where in REPLICATE_COUNT each is
    REPLICATE_SEED,  # uint64 (N_DRAWN,)
    REPLICATE_STEP,  # float32 (N_REPLICATES, N_DIRECTIONS): along the directions of the rows
    REPLICATE_REST,  # float64 (N_REPLICATES, n_stored): of sparse columns' coefficients
    N_REST,  # sparse columns, or 0 if the directions are of all columns
    REPLICATES_PER_CHUNK,
    N_REPLICATES,
    N_DRAWN,
    THRESHOLDS,  # uint32 (THRESHOLDS_PER_DRAW,): a unit counts once for each its number is above
    N_DIRECTIONS,  # first rows of FACTOR, before whole tiles end, that give directions of rows
    POLYNOMIAL,  # float32 (blocks, POLYNOMIAL_BUFFERS, rows of a block): residuals as polynomials
    POLYNOMIAL_LENGTH,  # int64 (blocks,): coefficients of these, 0 if they do not hold
    POLYNOMIAL_NODES,  # float64 (POLYNOMIAL_POINTS, 1 + POLYNOMIAL_POINTS)
    POLYNOMIAL_POWERS,  # float64 (POLYNOMIAL_TERMS, POLYNOMIAL_TERMS)
    POLYNOMIAL_LIMITS,  # float64 (3,): reach in standard errors, standard error, allowed error
    KERNEL_TABLE_SIZE,
) = range(90)

# Modes of a sweep, added together.
WITH_GRAM = 1
FROM_RESPONSE = 2  # the first sweep: linear predictor from the response, not from coefficients
SAME_COEFFICIENTS = 8  # replicates differ in nothing but how often rows count
MEAT = 4  # Gram weights are squared score residuals: the middle of a sandwich covariance
SHIFTED = 16  # of standardising: columns may be shifted
FLOAT32 = 32  # dense columns, of which there are no others, in single precision
WITH_DIAGONAL = 64  # of the Gram matrix its diagonal alone, where there is no mode WITH_GRAM
FLOAT32_GRAM = 128  # the Gram matrix alone is of columns in single precision, of dense ones only

# Sums that every sweep keeps, after the Gram matrix and the score in a chunk's partial.
(SUM_DEVIANCE, SUM_PEARSON, SUM_OUTSIDE, SUM_NOT_CONSTANT, N_SUMS) = range(5)

# Element types of sources, in native byte order.
ELEMENT_CODES = {
    np.dtype(name): code
    for code, names in enumerate(
        (
            ("float64",),
            ("float32",),
            ("int8",),
            ("int16",),
            ("int32",),
            ("int64",),
            ("uint8", "bool"),
            ("uint16",),
            ("uint32",),
            ("uint64",),
        )
    )
    for name in names
}

#: The element code of piecewise polynomials: their address is that of a table of
#: `fastglm.kernels.math.pieces`, and their stride is which of these polynomials.
PIECES = 10

_NO_BYTES = ctypes.c_char * 0


def address_of(array: np.ndarray) -> int:
    """Address of an array's first element.

    The same as ``array.ctypes.data``, which takes a microsecond; a third of one for most arrays.
    """
    if array.flags.carray:
        return ctypes.addressof(_NO_BYTES.from_buffer(array))  # type: ignore[arg-type]
    return array.ctypes.data
