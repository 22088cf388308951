"""Text of `fastglm --help`, and the arguments and options of the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from typer import Argument, Option

PROGRAM = """
Generalized linear models at the speed of reading the data, with R's numbers.

Fit a model to a file, keep it, and predict from it:

\b
    fastglm fit claims.parquet "claims ~ region + bs(age, df=4)" \\
        --family poisson --exposure years -o model.json

    fastglm predict model.json new.csv -o predictions.csv

Results go to standard output; progress, times, warnings and errors to standard error. The exit
code is 0 for a good fit, 1 for one that did not converge and 2 for bad input.
"""

FIT = """
Fit a model to the rows of a file and print its summary.

DATA is a CSV, Parquet or Arrow/Feather file; only the columns in use are read. FORMULA says what to
explain by what, as in R:

\b
    y ~ x + z                    numbers; strings become categories
    y ~ C(year) * region         a number as categories; an interaction
    y ~ bs(age, df=4) + log(z)   a spline, a function; also poly, cr, I()
    y ~ x - 1                    no intercept
    cbind(won, lost) ~ x         successes and failures, for binomial
    y ~ x + offset(log(hours))   a term whose coefficient is 1

Examples:

\b
    fastglm fit flights.csv "late ~ carrier + C(hour)" -f binomial --missing drop
    fastglm fit claims.parquet "n ~ region" -f poisson --exposure years -o model.json
    fastglm fit costs.csv "cost ~ age + sex" -f gamma --link log --report costs.html
    fastglm fit 'claims/*.parquet' "n ~ region" -f poisson --memory 800MB --checkpoint fit.ckpt
    fastglm fit 'claims/*.parquet' "n ~ region" -f poisson --dask tcp://host:8786

    gunzip -c claims.csv.gz | fastglm fit - "n ~ region" -f poisson

Rows of a folder, of a glob or with --memory are read a few at a time, and need not fit into memory.
"""

PREDICT = """
Predict new rows from a model that `fastglm fit -o` saved.

NEW needs the columns of the formula's right side, and those of --offset and --exposure of the fit.
One row comes out per row that goes in; it is empty where a value is missing.

Examples:

\b
    fastglm predict model.json new.parquet -o predictions.parquet
    fastglm predict model.json new.csv --which linear --unseen nan > predictions.csv
    fastglm predict model.json 'new/*.parquet' -o scored --keep id --interval
    fastglm predict model.json 'new/*.parquet' -o scored --dask tcp://host:8786
    cat new.csv | fastglm predict model.json - > predictions.csv
"""

SUMMARY = """
Print the summary of a model that `fastglm fit -o` saved.

\b
    fastglm summary model.json
    fastglm summary model.json --json
"""

EXPORT = """
Write a saved model down for another engine: as SQL on standard output, or as an ONNX file.

\b
    fastglm export model.json --sql duckdb --table policies > score.sql
    fastglm export model.json --onnx model.onnx

Dialects are bigquery, duckdb, mysql, postgres, snowflake, spark, sqlite and tsql.
"""

Text: TypeAlias = str | None
Data = Annotated[
    Path,
    Argument(metavar="DATA", help="File, folder or glob of CSV, Parquet or Arrow; - for stdin."),
]
Formula = Annotated[str, Argument(metavar="FORMULA", help='Such as "y ~ x + C(group)".')]
FamilyName = Annotated[
    str, Option("-f", "--family", help="gaussian, binomial, poisson, gamma, ...")
]
LinkName = Annotated[
    Text, Option("-l", "--link", help="log, logit, identity, ... [default: the family's]")
]
Exposure = Annotated[Text, Option(help="Column of exposures; needs a log link.")]
Offset = Annotated[Text, Option(help="Column added to the linear predictor.")]
Weights = Annotated[Text, Option(help="Column of R's prior weights, 1/variance.")]
Frequencies = Annotated[Text, Option(help="Column of numbers of identical rows.")]
Alpha = Annotated[float | None, Option(help="Of negative_binomial. [default: estimated]")]
VarPower = Annotated[float | None, Option(help="Of tweedie. [default: estimated]")]
Variance = Annotated[Text, Option(help="Of quasi, such as mu^2.")]
Missing = Annotated[str, Option(help="Rows with missing values: raise or drop.")]
CovType = Annotated[str, Option(help="Covariance of the estimates, such as HC3.")]
Groups = Annotated[Text, Option(help="Column of the groups, for --cov-type cluster.")]
Separation = Annotated[
    str, Option(help="Infinite estimates: warn, raise, drop, firth, check or ignore.")
]
BiasReduction = Annotated[str, Option(help="Estimates of less bias: none, firth or median.")]
MaxIter = Annotated[int, Option(help="Most iterations.")]
Memory = Annotated[
    Text,
    Option(help='Read the rows a few at a time, in so much memory, such as "800MB".'),
]
Checkpoint = Annotated[
    Path | None, Option(help="Keep the sums of passes here: a fit that was stopped goes on.")
]
Resume = Annotated[bool, Option("--resume", help="Go on: the checkpoint must be there.")]
Dask = Annotated[
    Text,
    Option(
        metavar="ADDRESS",
        help='Of the scheduler of a Dask cluster, such as "tcp://host:8786"; or "local": one of '
        "processes here.",
    ),
]
Compress = Annotated[
    bool | None,
    Option(
        "--compress/--no-compress",
        help="Fit rows that are alike as one, exactly. [default: where it pays, of many rows]",
    ),
]
ShowProgress = Annotated[
    bool, Option("--progress", help="Write a line for each pass, also where nobody watches.")
]
Keep = Annotated[
    list[str] | None, Option(help="Column to write beside the predictions; may be repeated.")
]
Interval = Annotated[bool, Option("--interval", help="Write the ends of 95 % intervals of means.")]
Threads = Annotated[int | None, Option("--threads", help="Threads to use. [default: all cores]")]
AsJson = Annotated[bool, Option("--json", help="Print JSON instead of the summary.")]
ModelOut = Annotated[Path | None, Option("-o", "--output", help="Save the model here.")]
ReportOut = Annotated[
    Path | None, Option("--report", help="Write a web page of the fit here: checks and pictures.")
]
TariffOut = Annotated[
    Path | None,
    Option("--rating-table", help="Write relativities of a log or logit link here: CSV or .xlsx."),
]
ModelFile = Annotated[Path, Argument(metavar="MODEL", help="JSON file of a saved model.")]
NewData = Annotated[
    Path,
    Argument(metavar="NEW", help="File, folder or glob of CSV, Parquet or Arrow; - for stdin."),
]
PredictionsOut = Annotated[
    Path | None,
    Option("-o", "--output", help=".parquet, .feather, .csv or a folder. [default: CSV on stdout]"),
]
Sql = Annotated[Text, Option(help="Dialect of a SELECT statement.")]
Table = Annotated[str, Option(help="Table that the statement reads.")]
Onnx = Annotated[Path | None, Option(help="Write an ONNX model here.")]
What = Annotated[str, Option(help="mean, linear, or in SQL terms.")]
Which = Annotated[str, Option(help="mean or linear, the linear predictor.")]
Unseen = Annotated[str, Option(help="Levels the fit has not seen: raise or nan.")]
Delimiter = Annotated[
    Text, Option(help='Of a CSV file: a character or "tab". [default: told by its first line]')
]
NewOffset = Annotated[Text, Option(help="Column. [default: that of the fit]")]
NewExposure = Annotated[Text, Option(help="Column. [default: that of the fit]")]
