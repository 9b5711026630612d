"""Objects come back as they were: values, shared references, arrays; and only ours are made."""

import copy
import json
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.errors import DataError, SnapshotError
from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import method_named
from graphrec.graph.ageing import AgeingSettings
from graphrec.object_graph import FlatObject, flatten, rebuild
from graphrec.pipeline import Request
from graphrec.stages import Interactions
from tests.worlds import small_dataset


def brought_back(value):
    flat = flatten(value)
    return rebuild(replace(flat, nodes=json.loads(json.dumps(flat.nodes))))


def _told(value):
    """What can be compared: types and values, NaN like any other, sets in some order."""
    if isinstance(value, dict):
        return "dict", [(_told(key), _told(part)) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return type(value).__name__, [_told(part) for part in value]
    if isinstance(value, frozenset):
        return "frozenset", sorted(map(repr, value))
    return type(value).__name__, repr(value)


_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.frozensets(st.integers() | st.text())
        | st.lists(st.integers(-(2**63), 2**63 - 1), min_size=32, max_size=40)
        | st.lists(st.floats(), min_size=32, max_size=40)
        | st.dictionaries(st.integers(), st.floats(), min_size=32, max_size=40)
    ),
)


@given(_plain)
def test_plain_values_come_back_with_their_types(value):
    [back] = brought_back([value])
    assert _told(back) == _told(value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros((0, 4), np.float32),
        np.array([True, False]),
        np.arange(10)[::3],
        np.array(3),
    ],
)
def test_arrays_come_back_with_type_shape_and_order_and_do_not_share_memory(array):
    back = brought_back({"x": array})["x"]
    assert back.dtype == array.dtype and back.shape == array.shape
    assert np.array_equal(back, array) and not np.shares_memory(back, array)
    assert back.flags.f_contiguous == array.flags.f_contiguous or array.ndim == 1


def test_what_stands_in_two_places_is_one_object_and_cycles_hold():
    shared = np.arange(3)
    own: list = [shared, {"again": shared}]
    own.append(own)
    back = brought_back(own)
    assert back[0] is back[1]["again"] and back[2] is back


def test_tables_and_scalars_come_back():
    frame = pl.DataFrame({"id": ["a", None], "names": [["x"], []], "n": [1, 2]})
    nothing = pl.Series("none", [])
    back = brought_back([frame, frame["id"], nothing, np.float32(0.1), np.int64(7)])
    assert back[0].equals(frame) and back[0].schema == frame.schema
    assert back[1].name == "id" and back[1].to_list() == ["a", None]
    assert back[2].name == "none" and len(back[2]) == 0 and back[2].dtype == nothing.dtype
    assert back[3] == np.float32(0.1) and type(back[3]) is np.float32 and type(back[4]) is np.int64


def test_settings_are_checked_again():
    flat = flatten(AgeingSettings(mode="half_life", half_life_days=3))
    assert rebuild(flat) == AgeingSettings(mode="half_life", half_life_days=3)
    node = {**flat.nodes[0], "fields": {**flat.nodes[0]["fields"], "half_life_days": -1}}
    with pytest.raises(SnapshotError, match="half_life_days"):
        rebuild(replace(flat, nodes=[node, *flat.nodes[1:]]))


def test_a_pipeline_comes_back_and_learns_on_as_the_first_does():
    events = [(t, f"u{t % 5}", f"i{t * t % 17}") for t in range(1, 200)]
    pipeline = fit_pipeline(small_dataset(events), method_named("walk", {}))
    back = brought_back(pipeline)
    more = Interactions(
        np.array([500, 501], np.int64),
        np.array([0, 0], np.int32),
        np.array([1, 2], np.int32),
        np.ones(2, np.float32),
        pipeline.dataset.n_users,
        pipeline.dataset.n_items,
    )
    for one in (pipeline, back):
        one.absorb(more)
    slates = [
        one.recommend(one.queries_of_keys(["u0", "u3"]), Request(5)) for one in (pipeline, back)
    ]
    assert np.array_equal(slates[0].shown.item_row, slates[1].shown.item_row)
    assert np.array_equal(slates[0].shown.score, slates[1].shown.score)


def test_what_is_written_down_does_not_follow_what_happens_later():
    own = {"x": np.arange(3), "list": [1]}
    flat = flatten(own)
    own["x"][0] = 99
    own["list"].append(2)
    back = rebuild(flat)
    assert back["x"].tolist() == [0, 1, 2] and back["list"] == [1]


@dataclass
class Foreign:
    x: int


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [Foreign(1)]}, r"object\['a'\]\[\] is a tests.*Foreign"),
        (np.array([{}], object), "array of objects"),
        ([open], "builtin_function_or_method"),
        ((lambda: 0), "function"),
        ({"x": range(3)}, "builtins:range"),
    ],
)
def test_what_cannot_be_kept_is_named_with_its_place(value, words):
    with pytest.raises(DataError, match=words):
        flatten(value)


def test_no_class_of_others_is_made_and_nothing_else_is_called():
    flat = flatten(AgeingSettings())
    for name in (
        "os:system",
        "builtins:eval",
        "graphrec.object_graph:importlib",
        "graphrec.object_graph:flatten",
        "graphrec.object_graph:Path",
        "graphrec_evil:X",
        "graphrec.nowhere:X",
    ):
        nodes = [{"is": "object", "class": name, "state": {"own": []}}]
        with pytest.raises(SnapshotError):
            rebuild(replace(flat, nodes=nodes))


def test_what_other_code_wrote_is_refused():
    flat = flatten(AgeingSettings())
    with pytest.raises(SnapshotError, match="another version"):
        rebuild(replace(flat, code="0" * 64))


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        [{"is": "riddle"}],
        [{"is": "list", "of": [{"#": 7}]}],
        [{"is": "array", "array": "a9"}],
        [{"is": "dict"}],
        [{}],
        [5],
    ],
)
def test_damaged_nodes_are_refused(nodes):
    good = flatten([1])
    with pytest.raises(SnapshotError):
        rebuild(FlatObject(nodes, good.arrays, good.tables, good.code))


def test_copies_are_what_is_kept():
    class_with_cache = fit_pipeline(
        small_dataset([(1, "a", "x"), (2, "a", "y")]), method_named("walk", {})
    )
    assert vars(copy.copy(class_with_cache)).keys() == vars(brought_back(class_with_cache)).keys()
