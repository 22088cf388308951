"""One line on standard error where compiling takes long, and none where it does not."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from fastglm.kernels.compiler import notice as module
from fastglm.kernels.compiler.notice import TEXT, CompilationNotice


@pytest.fixture
def patience(monkeypatch):
    monkeypatch.delenv("FASTGLM_QUIET", raising=False)
    monkeypatch.setattr(module, "PATIENCE", 0.1)


def test_no_notice_where_it_is_not_wanted(patience, monkeypatch, capsys):
    monkeypatch.setenv("FASTGLM_QUIET", "1")
    notice = CompilationNotice()
    notice.begin()
    time.sleep(0.3)
    notice.end()
    assert capsys.readouterr().err == ""


def test_the_notice_is_written_once_while_kernels_compile(patience, capsys):
    notice = CompilationNotice()
    for _ in range(2):
        notice.begin()
        time.sleep(0.3)
        notice.end()
    assert capsys.readouterr().err == TEXT


def test_short_compilations_are_added_up(patience, capsys):
    notice = CompilationNotice()
    notice.begin()
    time.sleep(0.05)
    notice.end()
    time.sleep(0.2)
    assert capsys.readouterr().err == ""
    for _ in range(3):
        notice.begin()
        time.sleep(0.05)
        notice.end()
    time.sleep(0.1)
    assert capsys.readouterr().err == TEXT


def test_the_notice_is_written_once_for_all_threads(patience, capsys):
    notice = CompilationNotice()

    def compile_for_long():
        notice.begin()
        time.sleep(0.2)
        notice.end()

    threads = [threading.Thread(target=compile_for_long) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capsys.readouterr().err == TEXT


def test_no_notice_when_silenced_or_without_standard_error(patience, capsys, monkeypatch):
    notice = CompilationNotice()
    with notice.silenced():
        notice.begin()
        time.sleep(0.2)
        notice.end()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", None)
    notice.begin()
    time.sleep(0.2)
    notice.end()
