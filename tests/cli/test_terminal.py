import warnings

import pytest

from fastglm.cli import terminal
from fastglm.fit import progress


@pytest.fixture
def person(monkeypatch):
    """Standard error is a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")


def test_a_bar_for_a_person_who_waits(person, monkeypatch, capsys):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    with terminal.Watch("reading") as watch:
        watch._timer.join()
        watch.sweep(3, 12.5)
    assert "fitting: sweep 3, deviance 12.5" in capsys.readouterr().err


def test_no_bar_for_what_is_quick(person, monkeypatch, capsys):
    monkeypatch.setattr(progress, "PATIENCE", 60.0)
    with terminal.Watch("reading") as watch:
        watch.sweep(3, 12.5)
    assert capsys.readouterr().err == ""


def test_no_bar_for_a_file(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    with terminal.Watch("reading") as watch:
        watch._timer.join()
        watch.sweep(3, 12.5)
    assert capsys.readouterr().err == ""


def test_stages_are_timed():
    with terminal.Watch("reading") as watch:
        with watch.stage("read", "reading"):
            pass
        with watch.stage("fit", "fitting"):
            pass
    assert list(watch.seconds) == ["read", "fit"]
    assert all(seconds >= 0 for seconds in watch.seconds.values())


def test_warnings_are_one_line(capsys):
    with terminal.plain_warnings():
        warnings.warn("the first line\n  and the [red]second", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: the first line and the [red]second\n"
