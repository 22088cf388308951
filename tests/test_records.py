"""Records that take all of their fields at once."""

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from fastglm import GLM, add_constant
from fastglm.records import MadeOnce, fast_init, filled
from fastglm.results import Results
from fastglm.rows.model_rows import ModelRows
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.solution import Solution


@dataclass(frozen=True, eq=False)
class Plain:
    first: int
    second: list = field(default_factory=list)
    third: str = "three"


@fast_init
@dataclass(frozen=True, eq=False)
class Quick:
    first: int
    second: list = field(default_factory=list)
    third: str = "three"


@pytest.mark.parametrize(
    ("positional", "named"),
    [
        ((), {"first": 1, "second": [2], "third": "3"}),
        ((1, [2], "3"), {}),
        ((1,), {"third": "3"}),
        ((1,), {}),
        ((), {"first": 1}),
    ],
)
def test_the_fields_are_those_of_the_dataclass(positional, named):
    assert vars(Quick(*positional, **named)) == vars(Plain(*positional, **named))


@pytest.mark.parametrize("named", [{}, {"second": []}, {"first": 1, "fourth": 4}])
def test_wrong_fields_are_refused_as_by_the_dataclass(named):
    for record in (Plain, Quick):
        with pytest.raises(TypeError):
            record(**named)


def test_a_default_is_made_anew():
    assert Quick(1).second is not Quick(1).second


def test_it_is_frozen_and_can_be_replaced_copied_and_pickled():
    record = Quick(first=1, second=[2], third="3")
    with pytest.raises(FrozenInstanceError):
        record.first = 2
    assert vars(replace(record, first=4)) == {"first": 4, "second": [2], "third": "3"}
    for other in (copy.copy(record), pickle.loads(pickle.dumps(record))):
        assert vars(other) == vars(record)


def test_the_signature_is_that_of_the_dataclass():
    assert str(inspect.signature(Quick)) == str(inspect.signature(Plain))


def test_a_record_filled_from_a_dict_is_the_record_of_these_fields():
    values = {"first": 1, "second": [2], "third": "3"}
    record = filled(Quick, values)
    assert vars(record) == vars(Quick(1, [2], "3"))
    with pytest.raises(FrozenInstanceError):
        record.first = 2
    assert vars(replace(record, first=4)) == {"first": 4, "second": [2], "third": "3"}


def test_what_is_made_once_is_made_once_by_each_object():
    made = []

    class Owner:
        @MadeOnce
        def value(self):
            made.append(self)
            return object()

    one, other = Owner(), Owner()
    assert one.value is one.value
    assert one.value is not other.value
    assert made == [one, other]
    assert isinstance(Owner.value, MadeOnce)


def test_a_dict_of_some_fields_leaves_the_others_to_their_defaults():
    assert vars(filled(Quick, {"first": 1})) == vars(Plain(1))
    with pytest.raises(TypeError):
        filled(Quick, {"second": []})


@pytest.mark.parametrize("kind", [Results, Solution, ModelRows])
def test_records_that_are_filled_have_every_field(kind):
    y, X = [0, 1, 0, 1], add_constant([0, 1, 2, 4])
    fit = GLM(y, X, family="binomial").fit()
    solution = solve(fit.model.row_table, fit.family, SolverOptions())
    record = {Results: fit, Solution: solution, ModelRows: fit.model.rows}[kind]
    assert {each.name for each in fields(kind)} <= vars(record).keys()
