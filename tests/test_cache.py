"""The cache of machine code, seen from fresh processes."""

import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

import fastglm
from fastglm.kernels.compiler.notice import TEXT

PACKAGE = Path(fastglm.__file__).parent

# One row block and one entry point: seconds to compile, where a fit takes tens of them.
LIGHT = """
import numpy as np, fastglm as fg
print(float(fg.families.links.Log().inverse(np.array([1.0]))[0]))
"""
FIT = """
import numpy as np, fastglm as fg
x = np.linspace(-1, 1, 30)
fit = fg.GLM(np.round(np.exp(1 + x)), np.column_stack([x**0, x]), family="poisson").fit()
print(fit.deviance.hex(), fit.params[1].hex())
"""
#: It says early that it compiles, where it may; warnings are errors.
STRICT = {"FASTGLM_QUIET": "", "PYTHONWARNINGS": "error"}
LOUD = "import fastglm.kernels.compiler.notice as notice\nnotice.PATIENCE = 0.2\n" + FIT


def start(code, folder, **environment):
    """A new Python process that imports the package from `folder`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTHON", "XDG"))}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=kept | {"PYTHONPATH": str(folder), "FASTGLM_QUIET": "1"} | environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.strip(), err


def kernels(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.nb[ci]")}


def copy_package(folder):
    """A copy of the package, alone in a folder, without machine code."""
    ignored = shutil.ignore_patterns("__pycache__", "*.parquet")
    shutil.copytree(PACKAGE, folder / "site" / "fastglm", ignore=ignored)
    return folder / "site"


@pytest.fixture
def copied(tmp_path):
    return copy_package(tmp_path)


class Fitted(NamedTuple):
    """A copy of the package, the cache of its first fit, what that printed and said, how long."""

    site: Path
    cache: Path
    printed: str
    said: str
    seconds: float


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted")
    site, cache = copy_package(folder), folder / "cache"
    begin = time.perf_counter()
    printed, said = finish(start(LOUD, site, NUMBA_CACHE_DIR=str(cache), **STRICT))
    return Fitted(site, cache, printed, said, time.perf_counter() - begin)


def test_a_new_process_loads_all_of_a_fit(fitted):
    compiled = kernels(fitted.cache)
    assert len(compiled) > 10
    begin = time.perf_counter()
    second, _ = finish(start(FIT, fitted.site, NUMBA_CACHE_DIR=str(fitted.cache)))
    warm = time.perf_counter() - begin
    assert second == fitted.printed
    assert kernels(fitted.cache) == compiled
    assert warm < fitted.seconds / 2


def test_the_first_fit_gives_notice_of_compiling_and_the_next_does_not(fitted):
    assert fitted.said == TEXT
    _, said = finish(start(LOUD, fitted.site, NUMBA_CACHE_DIR=str(fitted.cache), **STRICT))
    assert said == ""


HEAVY = ["scipy.linalg", "scipy.special", "narwhals", "numba.np.arrayobj"]


def test_a_fit_and_its_summary_load_nothing_that_takes_longer_than_they_do(fitted, tmp_path):
    place = {"NUMBA_CACHE_DIR": str(shutil.copytree(fitted.cache, tmp_path / "cache"))}
    code = FIT + f"str(fit.summary())\nimport sys\nprint([m for m in {HEAVY} if m in sys.modules])"
    # Nor are all installed packages searched for numba's extensions.
    code += "\nfrom numba.core import entrypoints\nprint(entrypoints._already_initialized)"
    first, _ = finish(start(code, fitted.site, **place))
    assert first.splitlines()[0] == fitted.printed
    second, _ = finish(start(code, fitted.site, **place))
    assert second.splitlines() == [fitted.printed, "[]", "False"]


def test_the_cache_has_machine_code_and_no_intermediate_code(fitted):
    for path in fitted.cache.rglob("*.nbc"):
        _, ((_, _, (machine_code, intermediate)), *_) = pickle.loads(path.read_bytes())
        assert machine_code
        assert len(intermediate) < 2_000


@pytest.mark.parametrize("collects", [True, False])
def test_an_import_leaves_the_garbage_collection_as_it_was(collects):
    code = "import gc\n" + "gc.disable()\n" * (not collects) + "import fastglm\n"
    printed, _ = finish(start(code + "print(gc.isenabled())", PACKAGE.parent))
    assert printed == str(collects)


def test_what_is_not_in_the_cache_is_compiled_beside_what_is(fitted, tmp_path):
    cache = shutil.copytree(fitted.cache, tmp_path / "cache")
    lost = [path for path in kernels(cache) if "poisson" in path.name]
    assert lost
    for path in lost:
        path.unlink()
    second, _ = finish(start(FIT, fitted.site, NUMBA_CACHE_DIR=str(cache)))
    assert second == fitted.printed
    assert set(lost) <= kernels(cache).keys()


def test_an_edited_helper_is_compiled_anew(copied, tmp_path):
    place = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    before, _ = finish(start(LIGHT, copied, **place))
    assert float(before) == pytest.approx(2.718281828459045, rel=1e-15)
    helper = copied / "fastglm" / "kernels" / "math" / "elementary.py"
    helper.write_text(helper.read_text() + "\n\n@inline\ndef exp(x):\n    return 7.0\n")
    after, _ = finish(start(LIGHT, copied, **place))
    assert float(after) == 7.0
    names = [path.name.split("-")[0] for path in kernels(tmp_path / "cache")]
    # Machine code of the old source is gone, an index and an object per kernel are there.
    assert sorted(names) == sorted(2 * list({*names}))


def test_an_upgrade_under_a_running_process_leaves_no_old_code(copied, tmp_path):
    place = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    helper = copied / "fastglm" / "kernels" / "math" / "elementary.py"
    edited = helper.read_text() + "\n\n@inline\ndef exp(x):\n    return 7.0\n"
    upgrade = f"import fastglm, pathlib; pathlib.Path({str(helper)!r}).write_text({edited!r})\n"
    running, _ = finish(start(upgrade + LIGHT, copied, **place))
    assert float(running) == pytest.approx(2.718281828459045, rel=1e-15)
    after, _ = finish(start(LIGHT, copied, **place))
    assert float(after) == 7.0


def test_a_read_only_installation_falls_back_with_one_notice(copied, tmp_path):
    # A file where the folder of the cache would be stops the superuser, too.
    (copied / "fastglm" / "__pycache__").write_text("")
    place = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    first, said = finish(start(LIGHT, copied, **place))
    folder = tmp_path / "cache" / "fastglm"
    assert "read-only" in said
    assert str(folder) in said
    compiled = kernels(folder)
    assert compiled
    second, said = finish(start(LIGHT, copied, **place))
    assert second == first
    assert said == ""
    assert kernels(folder) == compiled


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_damaged_cache_is_made_anew(copied, tmp_path, suffix):
    place = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first, _ = finish(start(LIGHT, copied, **place))
    damaged = [path for path in kernels(tmp_path / "cache") if path.suffix == suffix]
    assert damaged
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-40])
    second, said = finish(start(LIGHT, copied, **place))
    assert (second, said) == (first, "")
    compiled = kernels(tmp_path / "cache")
    third, _ = finish(start(LIGHT, copied, **place))
    assert third == first
    assert kernels(tmp_path / "cache") == compiled


def test_three_processes_may_compile_at_once(copied, tmp_path):
    place = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    results = [finish(p) for p in [start(LIGHT, copied, **place) for _ in range(3)]]
    assert {out for out, _ in results} == {"2.718281828459045"}
    assert {err for _, err in results} == {""}
    compiled = kernels(tmp_path / "cache")
    finish(start(LIGHT, copied, **place))
    assert kernels(tmp_path / "cache") == compiled
