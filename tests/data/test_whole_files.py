import pytest
from limits import files_of_at_most

import fastglm as fg
from fastglm.data.whole_files import whole_file
from fastglm.errors import DataError


def write(target, text, then=None):
    with whole_file(target, "it") as partial:
        partial.write_text(text)
        if then is not None:
            raise then


def test_a_file_is_there_whole_or_as_it_was(tmp_path):
    target = tmp_path / "model.json"
    target.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        write(target, "half", KeyboardInterrupt)
    with files_of_at_most(9), pytest.raises(DataError, match=r"cannot write it: File too large\. "):
        write(target, "more than nine bytes")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]
    write(target, "after")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["after"]


def test_models_are_saved_whole_or_not_at_all(tmp_path):
    fit = fg.glm("y ~ x", {"x": [0.0, 1.0, 2.0], "y": [1.0, 3.0, 4.0]})
    for place, reason in (
        (tmp_path / "model.json", "too large"),
        (tmp_path / "no" / "m", "No such"),
    ):
        with files_of_at_most(50), pytest.raises(DataError, match=f"cannot write .*{reason}"):
            fit.save(tmp_path / place)
    assert not list(tmp_path.iterdir())
