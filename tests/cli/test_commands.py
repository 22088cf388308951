import errno
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from cli_cases import MODEL, ROWS

import fastglm as fg
from fastglm.cli import commands as cli
from fastglm.cli import help_text as command_help
from fastglm.data.files import read_table
from fastglm.data.writing import write_table
from fastglm.sources.files import ParquetFiles


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather"])
def test_the_summary_is_that_of_the_library(folder, run, frame, ending):
    code, out, err = run("fit", f"data.{ending}", *MODEL)
    expected = fg.glm("claims ~ x + region", frame, family="poisson", exposure="years")
    assert code == 0
    assert out == f"{expected.summary()}\n"
    assert err.startswith("300 rows, ")
    assert err.count("\n") == 1


def test_every_column_argument(folder, run, frame):
    options = {"offset": "log_years", "weights": "weight", "freq-weights": "count"}
    flags = [text for name, value in options.items() for text in (f"--{name}", value)]
    code, out, _ = run("fit", "data.csv", "claims ~ x", "-f", "quasipoisson", *flags, "--json")
    expected = fg.glm(
        "claims ~ x",
        frame,
        family="quasipoisson",
        offset="log_years",
        var_weights="weight",
        freq_weights="count",
    )
    assert code == 0
    found = json.loads(out)["coefficients"]
    assert [row["coef"] for row in found] == expected.params.tolist()
    assert [row["std_err"] for row in found] == expected.bse.tolist()


@pytest.mark.parametrize(
    ("flags", "family"),
    [
        (["negative_binomial", "--alpha", "0.5"], fg.families.NegativeBinomial(alpha=0.5)),
        (["tweedie", "--var-power", "1.4"], fg.families.Tweedie(var_power=1.4)),
        (["quasi", "--variance", "mu", "-l", "log"], fg.families.Quasi("log", variance="mu")),
        (["gaussian", "--link", "identity"], fg.families.Gaussian()),
    ],
)
def test_families_and_links(folder, run, frame, flags, family):
    code, out, _ = run("fit", "data.parquet", "claims ~ x", "--json", "--family", *flags)
    record = json.loads(out)
    assert code == 0
    assert record["family"] == family.to_dict()
    assert record["deviance"] == fg.glm("claims ~ x", frame, family=family).deviance


def test_json_is_all_of_the_fit_and_plain(folder, run):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    code, out, _ = run("fit", "data.csv", "claims ~ x", "-f", "quasipoisson", "--json")
    record = json.loads(out, parse_constant=refuse)
    assert code == 0
    assert record["llf"] is None
    assert record["converged"] is True
    assert record["nobs"] == ROWS
    names = {"name", "coef", "std_err", "statistic", "p_value", "conf_low", "conf_high"}
    assert [set(row) for row in record["coefficients"]] == [names, names]


def test_a_saved_model_predicts_what_the_library_predicts(folder, run, frame):
    assert run("fit", "data.csv", *MODEL, "-o", "model.json")[0] == 0
    fit = fg.glm("claims ~ x + region", frame, family="poisson", exposure="years")
    for ending in ("parquet", "feather", "csv"):
        code, out, err = run("predict", "model.json", "data.csv", "-o", f"predicted.{ending}")
        assert (code, out) == (0, "")
        assert err.startswith("300 rows: read ")
        predicted = read_table(f"predicted.{ending}").to_pandas()
        assert list(predicted) == ["prediction"]
        assert np.array_equal(predicted["prediction"], fit.predict(frame))


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_the_summary_of_a_saved_model_is_that_of_the_fit(folder, run, flags):
    _, fitted, _ = run("fit", "data.parquet", *MODEL, "-o", "model.json", *flags)
    assert run("summary", "model.json", *flags) == (0, fitted, "")


def test_predictions_on_standard_output(folder, run):
    run("fit", "data.csv", *MODEL, "-o", "model.json")
    new = pa.table({"x": [0.5, None, 1.5], "region": ["west", "north", "east"]})
    write_table(new.append_column("time", pa.array([1.0, 2.0, 3.0])), "new.csv")
    options = ["--which", "linear", "--exposure", "time", "--unseen", "nan"]
    code, out, _ = run("predict", "model.json", "new.csv", *options)
    header, *lines = out.splitlines()
    params = np.asarray(fg.load("model.json").params)
    assert code == 0
    assert header == '"prediction"'
    assert float(lines[0]) == pytest.approx(params[0] + 0.5 * params[1] + params[3], rel=1e-14)
    assert lines[1:] == ["", ""]


def test_exports_are_those_of_the_library(folder, run, frame):
    run("fit", "data.csv", *MODEL, "-o", "model.json")
    fit = fg.load("model.json")
    code, out, _ = run("export", "model.json", "--sql", "sqlite", "--table", "t", "--what", "terms")
    assert (code, out) == (0, fit.to_sql("sqlite", "t", "terms") + "\n")
    code, out, err = run("export", "model.json", "--onnx", "m.onnx", "--exposure", "time")
    assert (code, out, err) == (0, "", "saved in m.onnx\n")
    expected = fit.to_onnx(exposure="time").SerializeToString()
    assert Path("m.onnx").read_bytes() == expected


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "give either --sql, a dialect, or --onnx, a file"),
        (("--sql", "duckdb", "--onnx", "m.onnx"), "give either --sql"),
        (("--sql", "oracle"), "dialect must be one of"),
        (("--onnx", "nowhere/m.onnx"), "there is no folder nowhere"),
    ],
)
def test_wrong_exports_are_exit_code_2(folder, run, options, reason):
    run("fit", "data.csv", *MODEL, "-o", "model.json")
    code, out, err = run("export", "model.json", *options)
    assert (code, out) == (2, "")
    assert reason in err


def test_rows_with_missing_values_are_dropped_and_counted(folder, run, frame):
    holes = frame.assign(x=frame["x"].where(frame["x"] < 1))
    write_table(pa.Table.from_pandas(holes), "holes.csv")
    n_missing = int(holes["x"].isna().sum())
    code, out, _ = run("fit", "holes.csv", "claims ~ x", "--missing", "drop")
    assert code == 0
    assert f"{n_missing} rows left out for missing values (x {n_missing})." in out


def test_a_report_is_one_page_that_needs_no_network(folder, run):
    code, _, err = run("fit", "data.csv", *MODEL, "--report", "report.html")
    assert code == 0
    assert "report in report.html" in err
    page = (folder / "report.html").read_text()
    assert "data:image" in page
    assert "claims ~ x + region" in page
    assert not re.search(r"(src|href)=.https?:", page)


def test_a_rating_table_is_that_of_the_library(folder, run, frame):
    flags = ["-f", "poisson", "--exposure", "years"]
    code, _, err = run("fit", "data.csv", "claims ~ region + x", *flags, "--rating-table", "t.csv")
    assert code == 0
    assert "rating table in t.csv" in err
    fit = fg.glm("claims ~ region + x", frame, "poisson", exposure="years")
    written, table = pd.read_csv("t.csv"), fit.rating_table()
    np.testing.assert_allclose(written["relativity"], [table.base, *table.columns["relativity"]])
    assert list(written["level"][1:4]) == ["north", "south", "west"]


@pytest.mark.parametrize(
    ("package", "flags"),
    [("matplotlib", ["--report", "r.html"]), ("openpyxl", ["--rating-table", "t.xlsx"])],
)
def test_a_missing_package_is_an_error_before_anything_is_read(
    folder, run, monkeypatch, package, flags
):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(cli, "_from_input", lambda path: pytest.fail("read"))
    code, _, err = run("fit", "data.csv", "claims ~ x", *flags)
    assert code == 2
    assert f"need {package}; pip install" in err


def test_the_model_is_saved_though_the_reader_of_the_summary_left(folder, run, monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr(sys, "argv", ["fastglm", "fit", "data.csv", "claims ~ x", "-o", "m.json"])
    with pytest.raises(SystemExit):
        cli.main()
    assert fg.load("m.json").nobs == ROWS


def test_a_fit_that_does_not_converge(folder, run):
    code, out, err = run("fit", "data.csv", *MODEL, "--max-iter", "1", "-o", "model.json")
    assert code == 1
    assert "NO: max_iterations" in out
    assert err.startswith("warning: The fit did not converge")
    assert not fg.load("model.json").converged


def test_separated_responses(folder, run):
    x = np.arange(20.0)
    write_table(pa.table({"y": (x > 9).astype(float), "x": x}), "separated.csv")
    fit = ("fit", "separated.csv", "y ~ x", "-f", "binomial")
    _, out, err = run(*fit)
    assert err.startswith("warning: ")
    assert "x" in out
    code, out, err = run(*fit, "--separation", "raise")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")


BAD = {
    ("fit", "nowhere.csv", "y ~ x"): "cannot read nowhere.csv: No such file or directory.",
    ("fit", "data.xls", "y ~ x"): "cannot read data.xls: No such file or directory.",
    ("fit", "data.csv", "claim ~ x"): "There is no column 'claim' in the data. Did you mean 'cla",
    ("fit", "data.csv", "claims ~ x +"): "Cannot parse the formula 'claims ~ x +'",
    ("fit", "data.csv", "claims ~ eval(x)"): "'eval' in 'eval(x)' is not a function",
    ("fit", "data.csv", "~ x"): "the formula '~ x' has no response",
    ("fit", "data.csv", "claims ~ x", "-f", "zipf"): "unknown family 'zipf'; known families: gau",
    ("fit", "data.csv", "claims ~ x", "-l", "logit"): "link Logit cannot be used with family Gau",
    ("fit", "data.csv", "claims ~ x", "--alpha", "1"): "family gaussian does not take --alpha",
    ("fit", "data.csv", "claims ~ x", "--exposure", "years"): "exposure needs a log link",
    ("fit", "data.csv", "claims ~ x", "--offset", "year"): "There is no column 'year'",
    ("fit", "data.csv", "claims ~ x", "--weights", "x"): "var_weights must not be negative",
    ("fit", "data.csv", "claims ~ x", "--threads", "0"): "n_threads must be a positive whole",
    ("fit", "data.csv", "claims ~ x", "--missing", "x"): "missing must be one of ('raise', 'drop')",
    ("fit", "data.csv", "claims ~ x", "--cov-type", "x"): "cov_type must be",
    ("fit", "data.csv", "x ~ region", "-f", "binomial"): "family Binomial needs a response",
    ("fit", "data.csv", "claims ~ x", "-o", "no/model.json"): "cannot write no/model.json: there",
    ("predict", "nowhere.json", "data.csv"): "nowhere.json: No such file or directory",
    ("summary", "nowhere.json"): "nowhere.json: No such file or directory",
    ("predict", "data.csv", "data.csv"): "data.csv is not a saved model",
    ("predict", "model.json", "other.csv"): "There is no column 'x' in the data.",
    ("predict", "model.json", "new.csv"): "'region' has the level 'east' in 1 row",
    ("predict", "model.json", "data.csv", "--which", "x"): "which must be one of",
    ("predict", "model.json", "data.csv", "-o", "p.xls"): "cannot tell how to write p.xls",
}


@pytest.fixture
def bad_folder(folder, run):
    run("fit", "data.csv", "claims ~ x + region", "-f", "poisson", "-o", "model.json")
    write_table(pa.table({"z": [1.0], "region": ["west"]}), "other.csv")
    write_table(pa.table({"x": [1.0], "region": ["east"]}), "new.csv")


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_input_is_one_line_and_exit_code_2(bad_folder, run, arguments):
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith(f"error: {BAD[arguments]}")
    assert err.count("\n") == 1


def test_models_of_arrays_have_no_columns_to_read(folder, run):
    fg.GLM([1.0, 2.0, 4.0], np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 3.0]])).fit().save("m.json")
    code, _, err = run("predict", "m.json", "data.csv")
    assert code == 2
    assert "arrays without names: predict from Python" in err


def test_models_of_several_predictors_are_for_python(folder, run):
    x = np.linspace(-1, 1, 30)
    fg.MNLogit(np.arange(30) ** 2 % 3, np.column_stack([x**0, x])).fit().save("m.json")
    code, _, err = run("predict", "m.json", "data.csv")
    assert code == 2
    assert "several linear predictors: predict from Python" in err


@pytest.mark.parametrize(
    "arguments", [("fit",), ("fit", "data.csv"), ("fit", "--nonsense"), ("x",)]
)
def test_wrong_usage_is_exit_code_2(run, arguments):
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert "Usage: fastglm" in err


@pytest.mark.parametrize("command", [(), ("fit",), ("predict",), ("warmup",)])
def test_help_shows_examples_whole(run, command):
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert "Usage: fastglm" in out
    if command == ("fit",):
        line = 'fastglm fit flights.csv "late ~ carrier + C(hour)" -f binomial --missing drop\n'
        assert line in out


def test_version(run):
    assert run("--version") == (0, f"fastglm {fg.__version__}\n", "")


def test_only_the_columns_in_use_are_read(folder, run, monkeypatch):
    read = []

    def read_and_tell(path, columns, delimiter):
        read.append(columns)
        return read_table(path, columns, delimiter)

    def source_read(self, columns, *rest):
        read.append(sorted(columns))
        return whole(self, columns, *rest)

    whole = ParquetFiles.read
    monkeypatch.setattr(ParquetFiles, "read", source_read)
    monkeypatch.setattr(cli, "read_table", read_and_tell)
    run("fit", "data.parquet", "claims ~ log(years):region", "--offset", "x", "-o", "model.json")
    run("predict", "model.json", "data.parquet", "-o", "predicted.csv")
    assert read == [["claims", "x", "region", "years"], ["region", "x", "years"]]


def test_advice_is_in_terms_of_the_command_line(folder, run, frame):
    frame.assign(x=frame["x"].where(frame.index != 7)).to_csv("gaps.csv", index=False)
    code, _, err = run("fit", "gaps.csv", "claims ~ x")
    assert code == 2
    assert "'x' in 1 row (7, counted from 0). Pass --missing drop to" in err
    code, _, err = run("fit", "gaps.csv", "claims ~ x", "--missing", "drop")
    assert code == 0
    assert err.startswith("300 rows, 1 left out, ")


def test_bias_reduction(folder, run, frame):
    apart = frame.assign(won=(frame["x"] > 0).astype(int))
    apart.to_csv("apart.csv", index=False)
    _, _, err = run("fit", "apart.csv", "won ~ x", "-f", "binomial")
    assert "--bias-reduction firth gives finite ones" in err
    reduced = "--bias-reduction", "firth", "--json"
    code, out, _ = run("fit", "apart.csv", "won ~ x", "-f", "binomial", *reduced)
    expected = fg.glm("won ~ x", apart, family="binomial", bias_reduction="firth")
    assert code == 0
    estimates = [row["coef"] for row in json.loads(out)["coefficients"]]
    np.testing.assert_allclose(estimates, expected.params, rtol=1e-9)


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "fastglm", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"fastglm {fg.__version__}\n"


def taught():
    """Every command that the pages and the help show, but for those that compile or install."""
    pages = Path(__file__).parents[2] / "scripts" / "docs" / "pages"
    shown = "".join(page.read_text() for page in sorted(pages.rglob("*.md")))
    texts = re.findall(r"```sh\n(.*?)```", shown, re.DOTALL)
    texts += command_help.PROGRAM, command_help.FIT, command_help.PREDICT
    texts += command_help.SUMMARY, command_help.EXPORT
    shown = "\n".join(texts)
    lines = shown.replace("\\\n", " ").splitlines()
    found = [line.strip() for line in lines if line.strip().startswith("fastglm ")]
    # Clusters have tests of their own.
    return [
        line
        for line in dict.fromkeys(found)
        if not line.startswith("fastglm warmup") and "--dask" not in line
    ]


def test_everything_taught_works(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    n = 400
    claims = pd.DataFrame(
        {
            "region": rng.choice(["north", "south"], n),
            "age": rng.uniform(18.0, 80.0, n),
            "years": rng.uniform(0.1, 1.0, n),
        }
    )
    claims["claims"] = claims["n"] = rng.poisson(claims["years"])
    costs = claims.assign(cost=rng.gamma(2.0, 1.0, n), sex=rng.choice(["f", "m"], n))
    flights = pd.DataFrame({"carrier": rng.choice(["A", "B"], n), "hour": rng.integers(6, 9, n)})
    flights["late"] = rng.integers(0, 2, n).astype(float)
    flights.loc[3, "late"] = np.nan
    for name, frame in (("claims", claims), ("costs", costs), ("flights", flights)):
        frame.to_csv(f"{name}.csv", index=False)
    claims.to_parquet("claims.parquet")
    claims.to_parquet("new.parquet")
    claims.to_csv("new.csv", index=False)
    for folder in ("claims", "new"):
        Path(folder).mkdir()
        claims.assign(id=range(n)).to_parquet(f"{folder}/part-0.parquet")
    commands = taught()
    assert len(commands) >= 7
    for command in commands:
        line, _, redirected = command.partition(" > ")
        code, out, err = run(*shlex.split(line)[1:])
        assert code == 0, (command, err)
        assert not redirected or out.startswith(('"prediction"', "SELECT s.*"))
    for written in ("model.json", "costs.html", "predictions.csv", "predictions.parquet"):
        assert (tmp_path / written).exists(), written


@pytest.mark.parametrize("command", ["fit", "predict"])
def test_files_without_pyarrow(folder, run, monkeypatch, command):
    run("fit", "data.csv", *MODEL, "-o", "model.json")
    for name in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    arguments = ("data.csv", *MODEL) if command == "fit" else ("model.json", "data.csv")
    code, _, err = run(command, *arguments)
    assert code == 2
    assert "pip install 'fastglm[parquet]'" in err


def test_clusters(folder, run, frame):
    options = "claims ~ x", "-f", "poisson", "--cov-type", "cluster"
    code, _, err = run("fit", "data.csv", *options)
    assert code == 2
    assert "--groups" in err
    code, _, err = run("fit", "data.csv", *options[:3], "--groups", "region")
    assert code == 2
    assert "--groups needs --cov-type cluster" in err
    code, out, _ = run("fit", "data.csv", *options, "--groups", "region", "--json")
    kwds = {"groups": frame["region"]}
    expected = fg.glm("claims ~ x", frame, family="poisson", cov_type="cluster", cov_kwds=kwds)
    assert code == 0
    errors = [row["std_err"] for row in json.loads(out)["coefficients"]]
    np.testing.assert_allclose(errors, expected.bse, rtol=1e-9)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_delimiters_give_the_same_fit(folder, frame, run, separator):
    frame.to_csv("other.csv", sep=separator, index=False)
    asked = ("--delimiter", separator) if separator == "|" else ()
    formula = ("claims ~ x + region", "-f", "poisson", "--json")
    code, expected, _ = run("fit", "data.csv", *formula)
    assert code == 0
    code, found, _ = run("fit", "other.csv", *formula, *asked, "-o", "m.json")
    assert (code, json.loads(found)) == (0, json.loads(expected))
    code, predicted, _ = run("predict", "m.json", "other.csv", *asked)
    assert (code, predicted) == (0, run("predict", "m.json", "data.csv")[1])
    many = run("predict", "m.json", "oth*.csv", *asked)
    assert many[:2] == (0, predicted)


def test_a_formula_without_a_right_side_is_refused(folder, run):
    code, _, said = run("fit", "data.csv", "claims ~")
    assert code == 2
    assert "nothing right of '~'" in said


def test_text_is_no_response_of_numbers(folder, run):
    for file in ("data.csv", "data.parquet"):
        code, _, said = run("fit", file, "region ~ x")
        assert code == 2
        assert "The response 'region' holds text" in said
