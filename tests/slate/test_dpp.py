import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.slate.dpp import DppSettings, order_by_dpp
from graphrec.slate.facts import ItemFacts
from graphrec.slate.similarity import ItemSimilarity, SimilaritySettings, likeness_matrix
from tests.reference import slate as slow

COSINE = SimilaritySettings()


def in_many_dimensions(seed: int, n: int):
    vectors = np.random.default_rng(seed).normal(size=(n, 40)).astype(np.float32)
    return ItemSimilarity(ItemFacts(n, vectors), COSINE).among(np.arange(n, dtype=np.int32))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.floats(0.05, 1), st.integers(1, 10))
def test_the_order_is_that_of_greedy_full_determinants(seed, diversity, places):
    likeness = in_many_dimensions(seed, 12)
    relevance = np.sort(np.random.default_rng(seed).random(12))[::-1].copy()
    order = order_by_dpp(relevance, likeness, DppSettings(diversity=diversity, places=places))
    expected = slow.dpp(relevance, likeness_matrix(likeness, 12), diversity, places)
    assert order[:places].tolist() == expected
    assert sorted(order.tolist()) == list(range(12))


def test_a_copy_comes_after_everything_else_however_relevant():
    # Items 0 and 1 are the same; 2 is across.
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    likeness = ItemSimilarity(ItemFacts(3, vectors), COSINE).among(np.arange(3, dtype=np.int32))
    order = order_by_dpp(np.array([1.0, 0.99, 0.0]), likeness, DppSettings(places=3))
    assert order.tolist() == [0, 2, 1]


def test_large_raw_scores_do_not_overflow():
    likeness = in_many_dimensions(0, 4)
    order = order_by_dpp(np.array([5000.0, 4.0, 3.0, 2.0]), likeness, DppSettings(diversity=0.01))
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    assert order[0] == 0


def test_no_candidates_give_an_empty_order():
    assert len(order_by_dpp(np.empty(0), in_many_dimensions(0, 0), DppSettings())) == 0
