import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.errors import DataError
from graphrec.slate.facts import ItemFacts
from graphrec.slate.similarity import ItemSimilarity, SimilaritySettings
from tests.reference import slate as slow
from tests.slate.catalogue import drawn_facts

TWO = ItemFacts(
    2,
    np.array([[3, 0], [3, 4]], np.float32),
    {"publisher": np.array([7, 7], np.int32)},
    np.array([0, 3, 5], np.int64),
    np.array([9, 1, 4, 4, 2], np.int32),
)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"vectors": 1}, 0.6),
        ({"vectors": 1, "shifted": True}, 0.8),
        ({"vectors": 0, "publisher": 1}, 1.0),
        ({"vectors": 0, "keywords": 1}, 0.25),
        ({"vectors": 2, "publisher": 1, "keywords": 1}, 0.6125),
    ],
)
def test_two_items_are_alike_as_worked_out_by_hand(weights, expected):
    matrix = ItemSimilarity(TWO, SimilaritySettings(**weights)).matrix(np.array([0, 1], np.int32))
    np.testing.assert_allclose(matrix, [[1, expected], [expected, 1]], atol=1e-7)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("weights", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 1, 0.5)])
def test_similarity_is_that_of_the_slow_twin_in_any_order_of_items(weights, shifted):
    facts = drawn_facts(3)
    weighed = SimilaritySettings(
        vectors=weights[0], publisher=weights[1], keywords=weights[2], shifted=shifted
    )
    items = np.random.default_rng(0).permutation(30)[:12].astype(np.int32)
    expected = [[slow.similarity(facts, a, b, weights, shifted) for b in items] for a in items]
    found = ItemSimilarity(facts, weighed).matrix(items)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.tuples(*[st.floats(0, 1)] * 3), st.booleans())
def test_any_mix_is_positive_semi_definite(seed, weights, shifted):
    weighed = SimilaritySettings(
        vectors=weights[0], publisher=weights[1], keywords=weights[2], shifted=shifted
    )
    similarity = ItemSimilarity(drawn_facts(seed, 14), weighed)
    if similarity.is_known:
        matrix = similarity.matrix(np.arange(14, dtype=np.int32))
        assert np.linalg.eigvalsh(matrix).min() > -1e-5


def test_a_missing_part_is_noted_and_the_others_share_its_weight():
    bare = ItemFacts(2, TWO.vectors)
    weighed = SimilaritySettings(vectors=1, publisher=1, keywords=1)
    similarity = ItemSimilarity(bare, weighed)
    assert len(similarity.notes) == 2
    assert similarity.matrix(np.array([0, 1], np.int32))[0, 1] == pytest.approx(0.6)


def test_nothing_known_is_said_so():
    similarity = ItemSimilarity(ItemFacts(2), SimilaritySettings())
    assert not similarity.is_known
    assert similarity.notes == ("no vectors of items: similarity does without",)


def test_a_column_of_another_length_is_refused():
    with pytest.raises(DataError, match="'publisher' has 3 rows"):
        ItemFacts(2, groups={"publisher": np.zeros(3, np.int32)})
    with pytest.raises(DataError, match="both"):
        ItemFacts(2, keyword=np.zeros(3, np.int32))
