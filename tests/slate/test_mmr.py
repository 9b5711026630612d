import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.slate.facts import ItemFacts
from graphrec.slate.mmr import MmrSettings, order_by_mmr
from graphrec.slate.relevance import scale_relevance
from graphrec.slate.similarity import ItemSimilarity, SimilaritySettings, likeness_matrix
from tests.reference import slate as slow
from tests.slate.catalogue import drawn_facts

MIXED = SimilaritySettings(vectors=1, publisher=0.5, keywords=0.5)


@pytest.mark.parametrize("scaling", ["none", "min_max"])
def test_five_items_of_three_publishers_come_in_the_worked_order(scaling):
    # A1 1, A2 .8, B1 .6, B2 .4, C .2; then A1, B1, C, A2, B2.
    facts = ItemFacts(5, groups={"publisher": np.array([0, 0, 1, 1, 2], np.int32)})
    similarity = ItemSimilarity(facts, SimilaritySettings(vectors=0, publisher=1))
    score = np.array([1, 0.8, 0.6, 0.4, 0.2], np.float32)
    order = order_by_mmr(
        scale_relevance(score, scaling),
        similarity.among(np.arange(5, dtype=np.int32)),
        MmrSettings(diversity=0.5),
    )
    assert order.tolist() == [0, 2, 4, 1, 3]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.floats(0, 1), st.integers(1, 16))
def test_the_order_is_that_of_the_slow_twin_and_the_rest_keeps_its_own(seed, diversity, places):
    likeness = ItemSimilarity(drawn_facts(seed, 14), MIXED).among(np.arange(14, dtype=np.int32))
    relevance = np.sort(np.random.default_rng(seed).random(14))[::-1].copy()
    order = order_by_mmr(relevance, likeness, MmrSettings(diversity=diversity, places=places))
    expected = slow.mmr(relevance, likeness_matrix(likeness, 14), diversity, places)
    assert order[: len(expected)].tolist() == expected
    rest = order[len(expected) :].tolist()
    assert rest == sorted(set(range(14)) - set(expected))


def test_no_diversity_changes_nothing():
    likeness = ItemSimilarity(drawn_facts(1), MIXED).among(np.arange(30, dtype=np.int32))
    relevance = np.linspace(1, 0, 30)
    order = order_by_mmr(relevance, likeness, MmrSettings(diversity=0))
    assert order.tolist() == list(range(30))


def test_no_candidates_give_an_empty_order():
    likeness = ItemSimilarity(drawn_facts(1), MIXED).among(np.empty(0, np.int32))
    assert len(order_by_mmr(np.empty(0), likeness, MmrSettings())) == 0


def test_scalings_map_scores_as_worked_out_by_hand():
    score = np.array([5, 4, 1], np.float32)
    assert scale_relevance(score, "min_max").tolist() == [1, 0.75, 0]
    assert scale_relevance(score, "rank").tolist() == [1, 0.5, 0]
    assert scale_relevance(score, "none").tolist() == [5, 4, 1]
    assert scale_relevance(score[:1], "min_max").tolist() == [1]
    assert scale_relevance(score[:1], "rank").tolist() == [1]
    assert scale_relevance(score[:0], "min_max").tolist() == []
