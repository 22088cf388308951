"""The command line: fit a model to a file, predict from a saved one, compile ahead."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import fastglm
from fastglm.cli import help_text as text
from fastglm.cli.cluster import dask_client
from fastglm.cli.terminal import Watch, as_options, plain_warnings, say
from fastglm.data.files import CSV, column_names, read_table
from fastglm.data.standard_input import from_standard_input
from fastglm.design.formula.expressions import Expression
from fastglm.design.formula.grammar import parse_formula
from fastglm.errors import DataError, FastGLMError, ModelError, require_package
from fastglm.families.resolve import family_class
from fastglm.load import load
from fastglm.model import GLM
from fastglm.plots.style import require_matplotlib
from fastglm.results import Results
from fastglm.sources.scan import is_many, scan
from fastglm.streamed import StreamedGLM

if TYPE_CHECKING:
    import pyarrow

    from fastglm.families import Family

GOOD, NOT_CONVERGED, BAD_INPUT = 0, 1, 2
EXCEL = ".xlsx"
#: How a line on standard error names the files of a fit.
SAID = {"model": "saved", "report": "report", "rating table": "rating table"}

app = typer.Typer(
    help=text.PROGRAM,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command `fastglm`; bad input prints one line on standard error, exit code 2."""
    try:
        with plain_warnings():
            app(prog_name="fastglm")
    except FastGLMError as error:
        say(as_options(f"error: {error}"))
        sys.exit(BAD_INPUT)
    except OSError as error:
        say(f"error: {error.filename}: {error.strerror}")
        sys.exit(BAD_INPUT)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"fastglm {fastglm.__version__}")
        raise typer.Exit


@app.callback()
def _fastglm(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command(help=text.FIT)
def fit(
    data: text.Data,
    formula: text.Formula,
    family: text.FamilyName = "gaussian",
    link: text.LinkName = None,
    exposure: text.Exposure = None,
    offset: text.Offset = None,
    weights: text.Weights = None,
    freq_weights: text.Frequencies = None,
    alpha: text.Alpha = None,
    var_power: text.VarPower = None,
    variance: text.Variance = None,
    missing: text.Missing = "raise",
    delimiter: text.Delimiter = None,
    cov_type: text.CovType = "nonrobust",
    groups: text.Groups = None,
    separation: text.Separation = "warn",
    bias_reduction: text.BiasReduction = "none",
    max_iter: text.MaxIter = 50,
    threads: text.Threads = None,
    memory: text.Memory = None,
    checkpoint: text.Checkpoint = None,
    resume: text.Resume = False,
    compress: text.Compress = None,
    dask: text.Dask = None,
    progress: text.ShowProgress = False,
    as_json: text.AsJson = False,
    output: text.ModelOut = None,
    report: text.ReportOut = None,
    rating_table: text.TariffOut = None,
) -> None:
    """Fit a model to a file."""
    files = {"model": output, "report": report, "rating table": rating_table}
    _require_writable(files)
    columns: dict[str, Any] = {"offset": offset, "exposure": exposure}
    columns |= {"var_weights": weights, "freq_weights": freq_weights}
    chosen = _family(family, link, {"alpha": alpha, "var_power": var_power, "variance": variance})
    of_fit: dict[str, Any] = {"max_iter": max_iter, "separation": separation}
    of_fit |= {"bias_reduction": bias_reduction} | _covariance(cov_type, groups)
    with (
        dask_client(dask, threads) as client,
        _from_input(data) as data,
        Watch(f"reading {data}", progress) as watch,
    ):
        model: GLM | StreamedGLM
        with watch.stage("read", f"reading {data}"):
            if is_many(data) or compress or not (memory is checkpoint is client is None):
                of_fit |= {"checkpoint": _checkpoint(checkpoint, resume), "client": client}
                model = StreamedGLM(
                    *(formula, scan(data, delimiter), chosen),
                    **columns,
                    missing=missing,
                    memory=memory or "1GB",
                    compress="auto" if compress is None else compress,
                )
            else:
                table = _read_for_formula(data, formula, (*columns.values(), groups), delimiter)
                model = GLM.from_formula(formula, table, chosen, missing=missing, **columns)
        with watch.stage("fit", "fitting"):
            results = model.fit(n_threads=threads, progress=watch, **of_fit)
        with watch.stage("summary", "summing up"):
            shown = json.dumps(as_record(results)) if as_json else str(results.summary())
            _write(results, files, watch)
    print(shown)
    say(_times(watch, results.model.rows.n_rows + results.n_dropped, results))
    for what, path in files.items():
        if path is not None:
            say(f"{SAID[what]} in {path}")
    raise typer.Exit(GOOD if results.converged else NOT_CONVERGED)


@app.command(help=text.PREDICT)
def predict(
    model: text.ModelFile,
    new: text.NewData,
    output: text.PredictionsOut = None,
    which: text.Which = "mean",
    unseen: text.Unseen = "raise",
    offset: text.NewOffset = None,
    exposure: text.NewExposure = None,
    keep: text.Keep = None,
    interval: text.Interval = False,
    delimiter: text.Delimiter = None,
    threads: text.Threads = None,
    dask: text.Dask = None,
) -> None:
    """Predict the rows of a file."""
    _require_folder(output)
    fitted = load(model)
    if not isinstance(fitted, Results):
        raise DataError(f"{model} has several linear predictors: predict from Python.")
    if fitted.fitted_formula is None:
        raise DataError(f"{model} was fitted to arrays without names: predict from Python.")
    with (
        dask_client(dask, threads) as client,
        _from_input(new) as new,
        Watch(f"reading {new}") as watch,
    ):
        with watch.stage("read", f"reading {new}"):
            if client is not None or is_many(new) or not new.name.lower().endswith(CSV):
                source = scan(new, delimiter)
            else:
                columns = [offset, exposure, *(keep or ())]
                source = scan(_read_for_model(new, fitted, columns, delimiter))
        with watch.stage("predict and write", "predicting"):
            n_rows = fitted.predict_to(
                sys.stdout.buffer if output is None else output,
                source,
                keep=keep or (),
                which=which,
                interval=interval,
                offset=offset,
                exposure=exposure,
                unseen=unseen,
                n_threads=threads,
                client=client,
            )
    say(_times(watch, n_rows))


@app.command(help=text.SUMMARY)
def summary(model: text.ModelFile, as_json: text.AsJson = False) -> None:
    """Print the summary of a saved model."""
    fitted = load(model)
    if not as_json:
        print(fitted.summary())
    elif isinstance(fitted, Results):
        print(json.dumps(as_record(fitted)))
    else:
        raise DataError(f"{model} has several linear predictors: its summary is text alone.")


@app.command(help=text.EXPORT)
def export(
    model: text.ModelFile,
    sql: text.Sql = None,
    table: text.Table = "policies",
    onnx: text.Onnx = None,
    what: text.What = "mean",
    offset: text.NewOffset = None,
    exposure: text.NewExposure = None,
) -> None:
    """Write a saved model down for another engine."""
    _require_folder(onnx)
    if (sql is None) == (onnx is None):
        raise ModelError("give either --sql, a dialect, or --onnx, a file.")
    fitted = load(model)
    if onnx is not None:
        fitted.to_onnx(onnx, what, offset, exposure)
        say(f"saved in {onnx}")
    elif sql is not None:
        print(fitted.to_sql(sql, table, what, offset, exposure))


@app.command()
def warmup() -> None:
    """Compile every kernel and keep it in the cache, so that no fit waits for the compiler."""
    from fastglm.cli.warmup import warm_up
    from fastglm.kernels.compiler.cache import cache_folder

    with Watch("compiling") as watch:

        def report(done: int, total: int, name: str) -> None:
            watch.update(f"compiling {name}", done, total)

        with watch.stage("compile or load", "compiling"):
            n_kernels = warm_up(report)
    seconds = watch.seconds["compile or load"]
    say(f"{n_kernels} kernels ready in {seconds:.1f} s, kept in {cache_folder()}")


def as_record(results: Results) -> dict[str, Any]:
    """A fit as types of JSON; numbers that are not finite become null."""
    summary = results.summary()
    fields = ("coef", "std_err", "statistic", "p_value", "conf_low", "conf_high")
    scalars = (
        "formula", "nobs", "n_dropped", "df_resid", "df_model", "scale", "deviance",
        "null_deviance", "pearson_chi2", "llf", "aic", "bic", "converged", "n_iter", "cov_type",
        "use_t",
    )  # fmt: skip
    record = {name: _plain(getattr(results, name)) for name in scalars}
    record["family"] = results.family.to_dict()
    record["status"] = results.status.name.lower()
    record["aliased"] = list(results.aliased)
    record["notes"] = summary.notes()
    record["coefficients"] = [
        {"name": name} | dict(zip(fields, map(_plain, row), strict=True))
        for name, row in zip(results.names, summary.table().tolist(), strict=True)
    ]
    return record


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def _from_input(path: Path) -> AbstractContextManager[Path]:
    """The path, or for "-" the path of a temporary file with standard input."""
    return from_standard_input(path, sys.stdin.buffer)


def _checkpoint(path: Path | None, resume: bool) -> Path | None:
    """Path of the checkpoint, which must exist if the fit is to be resumed."""
    if resume and (path is None or not path.exists()):
        where = "--checkpoint" if path is None else str(path)
        raise ModelError(f"--resume needs a checkpoint, but there is no {where}.")
    return path


def _covariance(cov_type: str, groups: str | None) -> dict[str, Any]:
    """Arguments of `fit` for the covariance of the estimates."""
    if cov_type == "cluster" and groups is None:
        raise ModelError("--cov-type cluster needs --groups, the column of the groups.")
    if cov_type == "nonrobust" and groups is not None:
        raise ModelError("--groups needs --cov-type cluster: give both, or neither.")
    grouped = {} if groups is None else {"cov_kwds": {"groups": groups}}
    return {"cov_type": cov_type} | grouped


def _require_writable(files: Mapping[str, Path | None]) -> None:
    """Refuse files of a fit that cannot be written, or for which a package is missing."""
    for path in files.values():
        _require_folder(path)
    if files["report"] is not None:
        require_matplotlib()
    table = files["rating table"]
    if table is not None and table.suffix.lower() == EXCEL:
        require_package("openpyxl", "excel", "Excel files")


def _write(results: Results, files: Mapping[str, Path | None], watch: Watch) -> None:
    """The files of a fit, before its summary: whoever reads that may close the pipe."""
    model, report, table = files["model"], files["report"], files["rating table"]
    if model is not None:
        results.save(model)
    if table is not None:
        relativities = results.rating_table()
        is_excel = table.suffix.lower() == EXCEL
        (relativities.to_excel if is_excel else relativities.to_csv)(table)
    if report is not None:
        results.report(report, progress=watch.picture)


def _require_folder(output: Path | None) -> None:
    """Raise for an output whose folder does not exist, before anything is computed."""
    if output is not None and not output.parent.is_dir():
        raise DataError(f"cannot write {output}: there is no folder {output.parent}.")


def _family(name: str, link: str | None, options: dict[str, Any]) -> Family:
    """The family of a name, with the link and options given on the command line."""
    given = {key: value for key, value in options.items() if value is not None}
    try:
        return family_class(name)(link=link, **given)
    except TypeError:
        names = ", ".join(f"--{key.replace('_', '-')}" for key in given)
        raise ModelError(f"family {name} does not take {names}") from None


def _read_for_formula(
    path: Path, formula: str, others: Any, delimiter: str | None
) -> pyarrow.Table:
    """The columns of the file that a formula and options name."""
    parsed = parse_formula(formula, names := column_names(path, delimiter))
    sides = (*parsed.factors, *parsed.offsets, *((parsed.response,) if parsed.response else ()))
    return _read_columns(path, names, sides, others, delimiter)


def _read_for_model(
    path: Path, fitted: Results, others: list[str | None], delimiter: str | None
) -> pyarrow.Table:
    """The columns of the file that a fitted model needs."""
    fitted_formula = fitted.fitted_formula
    assert fitted_formula is not None
    others = [*others, *fitted.column_names.values()]
    names = column_names(path, delimiter)
    return _read_columns(
        path, names, (*fitted_formula.factors, *fitted_formula.offsets), others, delimiter
    )


def _read_columns(
    path: Path,
    names: list[str],
    expressions: tuple[Expression, ...],
    others: Any,
    delimiter: str | None,
) -> pyarrow.Table:
    used = {column for expression in expressions for column in expression.columns}
    used |= {name for name in others if name is not None}
    # If a name is missing all columns are read, so that the error can suggest similar names.
    wanted = [name for name in names if name in used] if used <= {*names} else None
    return read_table(path, wanted, delimiter)


def _times(watch: Watch, n_rows: int, results: Results | None = None) -> str:
    stages = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in watch.seconds.items())
    if results is None:
        return f"{n_rows:,} rows: {stages}"
    dropped = f", {results.n_dropped:,} left out" if results.n_dropped else ""
    cells = getattr(results.model.rows, "cells", None)
    distinct = "" if cells is None else f", {cells.n_rows:,} distinct"
    return f"{n_rows:,} rows{dropped}{distinct}, {results.n_sweeps} sweeps: {stages}"
