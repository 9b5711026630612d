import copy
import importlib
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.errors import DataError, SettingsError, SnapshotError
from graphrec.retrieval.inverted_lists import recall_of
from graphrec.retrieval.vector_index import VectorIndex, VectorIndexSettings

LISTED = VectorIndexSettings(exact_below=10, n_lists=8, target_recall=1.0, recall_at=5)


@pytest.fixture(params=[False, True], ids=["exact", "lists"])
def kind(request) -> VectorIndexSettings:
    if not request.param:
        return VectorIndexSettings()
    pytest.importorskip("faiss")
    return LISTED


def drawn(n: int, dim: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def best(vectors: dict[int, np.ndarray], query: np.ndarray, k: int) -> list[int]:
    dots = {row: float(query.astype(float) @ vector) for row, vector in vectors.items()}
    return sorted(dots, key=lambda row: (-dots[row], row))[:k]


def all_lists(index: VectorIndex) -> VectorIndex:
    """The same index looking through every list, so that it has to be exact."""
    if index._lists is not None:
        index._lists.n_probed = index._lists.n_lists
    return index


def test_the_highest_inner_products_come_first_ties_to_the_lower_row(kind):
    vectors = drawn(600)
    vectors[3] *= 3
    vectors[500] = vectors[3]
    index = all_lists(VectorIndex(vectors, kind))
    query = np.concatenate([10 * vectors[3:4], drawn(4, seed=1)])
    row, score = index.search(query, 7)
    expected = [best(dict(enumerate(vectors)), one, 7) for one in query]
    assert row.tolist() == expected
    np.testing.assert_allclose(score, np.take_along_axis(query @ vectors.T, row, 1), rtol=1e-5)
    assert row[0].tolist().index(500) == row[0].tolist().index(3) + 1


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["put", "remove", "settle"]), st.sampled_from([3, 7, 299, 305, 330])
        ),
        max_size=40,
    ),
    listed=st.booleans(),
    masked=st.booleans(),
)
def test_what_is_put_or_removed_counts_from_the_next_search_on(steps, listed, masked):
    vectors = drawn(300)
    chosen = VectorIndexSettings(max_waiting=3)
    if listed:
        pytest.importorskip("faiss")
        chosen = LISTED.model_copy(update={"max_waiting": 3})
    index = all_lists(VectorIndex(vectors, chosen))
    held = dict(enumerate(vectors))
    rng = np.random.default_rng(5)
    for what, row in steps:
        rows = np.array([row], np.int32)
        if what == "put":
            held[row] = (9 * rng.standard_normal(6)).astype(np.float32)
            index.put(rows, held[row][None])
        elif what == "remove":
            held.pop(row, None)
            index.remove(rows)
        else:
            index.settle()
    allowed = None
    if masked:
        allowed = np.arange(320) % 3 == 0
        held = {row: one for row, one in held.items() if row < 320 and allowed[row]}
    query = drawn(2, seed=9)
    found, _ = index.search(query, 5, allowed)
    assert found.tolist() == [best(held, one, 5) for one in query]


def test_more_than_there_is_gives_what_there_is_and_padding(kind):
    index = all_lists(VectorIndex(drawn(20), kind))
    row, score = index.search(drawn(1, seed=1), 25)
    assert sorted(row[0, :20].tolist()) == list(range(20))
    assert (row[0, 20:] == -1).all()
    assert (score[0, 20:] == -np.inf).all()
    assert index.search(drawn(1), 0)[0].shape == (1, 0)


def test_so_many_lists_are_probed_as_the_recall_asked_for_takes():
    pytest.importorskip("faiss")
    vectors, asked = drawn(4000, 16), drawn(600, 16, seed=2)
    low, high = (
        VectorIndex(
            vectors,
            VectorIndexSettings(exact_below=10, target_recall=target, recall_at=20),
            asked[:300],
        )
        for target in (0.5, 0.98)
    )
    assert low.report.n_lists == round(2 * 4000**0.5)
    assert low.report.n_probed < high.report.n_probed < high.report.n_lists
    assert high.report.recall >= 0.98
    truth = VectorIndex(vectors).search(asked[300:], 20)[0]
    assert recall_of(high.search(asked[300:], 20)[0], truth).mean() > 0.96
    assert recall_of(low.search(asked[300:], 20)[0], truth).mean() < 0.9


def test_a_fresh_vector_waits_where_it_is_searched_exactly_until_enough_do():
    pytest.importorskip("faiss")
    index = VectorIndex(drawn(100), LISTED.model_copy(update={"max_waiting": 2}))
    index.put(np.array([100, 101], np.int32), drawn(2, seed=1))
    assert index.n_waiting == 2
    index.put(np.array([5], np.int32), drawn(1, seed=2))
    assert index.n_waiting == 0
    assert index.n_rows == 102


def test_recall_is_the_share_of_true_rows_found():
    truth = np.array([[1, 2, -1], [3, 4, 5]], np.int32)
    found = np.array([[2, 9, 1, -1], [5, 7, 8, -1]], np.int32)
    assert recall_of(found, truth).tolist() == [1, 1 / 3]
    assert recall_of(found, np.full((2, 3), -1, np.int32)).tolist() == [1, 1]


def test_an_index_is_read_as_it_was_written(kind, tmp_path):
    index = VectorIndex(drawn(60), kind)
    index.put(np.array([63], np.int32), drawn(1, seed=3))
    index.remove(np.array([4], np.int32))
    index.save(tmp_path)
    again = all_lists(VectorIndex.load(tmp_path))
    query = drawn(3, seed=4)
    np.testing.assert_array_equal(again.search(query, 63)[0], all_lists(index).search(query, 63)[0])
    (tmp_path / "held.npy").write_bytes(b"x")
    with pytest.raises(SnapshotError, match="no whole vector index"):
        VectorIndex.load(tmp_path)


def test_a_missing_faiss_is_named_with_the_extra_that_brings_it():
    gone = mock.patch.object(importlib, "import_module", side_effect=ImportError("no"))
    with gone, pytest.raises(SettingsError, match=r"graphrec\[rank\]"):
        VectorIndex(drawn(20), LISTED)
    with gone:
        VectorIndex(drawn(20))


def test_odd_vectors_are_refused():
    index = VectorIndex(drawn(5))
    with pytest.raises(DataError, match="NaN or infinity"):
        VectorIndex(np.full((2, 2), np.nan, np.float32))
    with pytest.raises(DataError, match="rows are >= 0"):
        index.put(np.array([-1], np.int32), drawn(1))
    with pytest.raises(DataError, match="of length 6"):
        index.put(np.array([1], np.int32), drawn(1, 5))


def test_a_copy_is_equal_and_lives_on_by_itself(kind):
    index = all_lists(VectorIndex(drawn(300), kind))
    index.put(np.array([3, 400], np.int32), drawn(2, seed=1))
    other = copy.deepcopy(index)
    query = drawn(5, seed=2)
    assert other.search(query, 9)[0].tolist() == index.search(query, 9)[0].tolist()
    for one in (index, other):
        one.put(np.array([5], np.int32), drawn(1, seed=3))
        one.settle()
        one.remove(np.array([9], np.int32))
    assert other.search(query, 9)[0].tolist() == index.search(query, 9)[0].tolist()
    index.put(np.array([7], np.int32), 100 * query[:1])
    assert index.search(query[:1], 1)[0].tolist() == [[7]]
    assert other.search(query[:1], 1)[0].tolist() != [[7]]
