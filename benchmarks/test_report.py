"""Fits are judged, and the table and targets say so."""

import pytest

from benchmarks import report
from benchmarks.__main__ import RESULTS, _load
from benchmarks.problems import ROOT
from benchmarks.runner import judge
from benchmarks.suite import COMPARED, TABLES, Target


def _fit(library, seconds, certificate=1000.0, errors=None, peak=5_000_000):
    return {
        "name": library,
        "library": library,
        "median": seconds,
        "certificate": certificate,
        "standard_errors": errors,
        "gives_standard_errors": errors is not None,
        "peak_bytes": peak,
    }


@pytest.fixture
def result():
    fits = [
        _fit("fastglm", 0.1, errors=[1.0, 2.0]),
        _fit("statsmodels", 20.0, errors=[2.0, 1.0]),
        _fit("glum", 0.2, certificate=1000.0 * (1 + 3e-8)),
        _fit("glum", 0.9, errors=[1.0, 2.1]),
        {"name": "R", "library": "R", "failure": "no such file"},
    ]
    judge(fits)
    return {"title": "a problem", "fits": fits, "read": 0.01}


def test_another_optimum_is_not_compared(result):
    assert [fit["same_optimum"] for fit in result["fits"][:4]] == [True, True, False, True]
    assert report.fastest(result, ["glum"]) is result["fits"][3]


def test_a_published_deviance_binds_all():
    fits = [_fit("fastglm", 0.1, certificate=1000.0)]
    judge(fits, published=1000.001)
    assert not fits[0]["same_optimum"]


def test_standard_errors_are_compared_in_any_order(result):
    assert result["fits"][1]["standard_error_difference"] == 0.0
    assert result["fits"][3]["standard_error_difference"] == pytest.approx(0.05)


def test_targets(result):
    target = Target({"statsmodels": 100}, fastest=10, reads=15, megabytes=4, seconds=1.0)
    met = {text: ok for text, _, _, ok in report.check_targets(result, target)}
    assert met == {
        "× statsmodels": True,
        "× the fastest peer": False,
        "reads of X": True,
        "MB beyond the data": False,
        "s per call": True,
    }


def test_another_answer_is_not_compared():
    fits = [_fit("fastglm", 0.1) | {"values": [1.0, 2.0]} for _ in range(2)]
    fits += [_fit("statsmodels", 20.0) | {"values": [1.0, 2.1]}]
    judge(fits)
    assert [fit["same_optimum"] for fit in fits] == [True, True, False]
    assert fits[2]["value_difference"] == pytest.approx(0.05)
    assert "values" not in fits[0]


def test_sweeps():
    fits = [_fit("fastglm", 0.1)]
    judge(fits)
    result = {"title": "HC1", "fits": fits, "read": None, "sweep": 0.05}
    assert report.check_targets(result, Target(sweeps=1.0)) == [
        ("sweeps of a fit", pytest.approx(2.0), 1.0, False)
    ]
    assert "sweeps of a fit" in report.table([result])


def test_tables_are_grouped(result):
    names = [next(iter(problems)).name for problems in TABLES.values()]
    text = report.tables([result | {"asked": name} for name in reversed(names)])
    assert [line.strip("*") for line in text.splitlines() if line.startswith("**")] == list(TABLES)


def test_table_says_what_failed(result):
    head, _, row = report.table([result]).splitlines()
    assert "statsmodels" in head
    assert "20 s (200×)" in row
    result["fits"][1]["same_optimum"] = False
    assert report.ratio(result, report.fastest(result, ["statsmodels"])) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12.34, "12.3 s"),
        (0.9996, "1 s"),
        (0.0123, "12.3 ms"),
        (9.996e-4, "1 ms"),
        (1e-3, "1 ms"),
        (5e-5, "50 µs"),
    ],
)
def test_seconds_text(seconds, text):
    assert report.seconds_text(seconds) == text


def test_section_replaces_the_old_one(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("# Title\n")
    report.write_section(readme, "old")
    readme.write_text(readme.read_text() + "\n## After\n")
    report.write_section(readme, "new")
    text = readme.read_text()
    assert "old" not in text
    assert text.startswith("# Title\n")
    assert text.endswith("## After\n")
    assert text.count(report.BEGIN) == text.count(report.END) == 1


def test_the_short_section_has_the_fits_alone(result):
    names = [next(iter(problems)).name for problems in TABLES.values()]
    machine = {"processor": "a chip", "cores": 2, "date": "today", "versions": {"numpy": "2.0"}}
    results = [
        result | {"asked": name, "title": f"row of {name}", "machine": machine} for name in names
    ]
    pictures = [("speed.png", "speed"), ("scaling.png", "scaling")]
    short = report.short_section(results, None, pictures)
    assert f"row of {names[0]}" in short
    assert not any(f"row of {name}" in short for name in names[1:])
    assert "scaling.png" not in short
    assert "a chip, 2 cores, today; numpy 2.0." in short
    assert all(f"row of {name}" in report.section(results, None, pictures) for name in names)


@pytest.mark.parametrize(
    ("path", "made"),
    [("README.md", report.short_section), ("scripts/docs/pages/benchmarks.md", report.section)],
)
def test_what_is_shown_is_what_was_measured(path, made):
    """The sections are those of the results in the repository."""
    old = (ROOT / path).read_text()
    found = _load(RESULTS)
    results = [found[problem.name] for problem in COMPARED if problem.name in found]
    text = made(results, found.get("first"), [])
    shown = old.split(report.BEGIN)[1].split(report.END)[0]
    without_pictures = "\n\n".join(part for part in shown.strip().split("\n\n") if part[0] != "!")
    assert without_pictures == text
