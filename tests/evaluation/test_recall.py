"""Recall and ranking loss by hand, and the law that they add up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.errors import DataError
from graphrec.evaluation.metrics import Metric
from graphrec.evaluation.recall import (
    SourceRecall,
    ndcg_loss,
    places_of,
    reciprocal_rank_loss,
    report_retrieval,
    source_recall,
)
from graphrec.stages import Candidates, Evidence


def candidates_of(rows: list[list[int]], places: list[list[list[int]]], names) -> Candidates:
    """Queries' items in order, and each one's place in every source's list."""
    item = np.array(rows, np.int32)
    place = np.array(places, np.int32).reshape(*item.shape, len(names))
    return Candidates(
        item,
        np.where(item < 0, -np.inf, -np.arange(item.shape[1], dtype=np.float32)).astype(np.float32),
        np.where(item < 0, -1, 0).astype(np.int8),
        names,
        np.full(item.shape, -1, np.int32),
        np.zeros(item.shape, np.float32),
        Evidence(np.where(place < 0, np.nan, 1).astype(np.float32), place),
    )


def true(*items: list[int]) -> list[np.ndarray]:
    return [np.array(one, np.int32) for one in items]


TWO = candidates_of(
    [[7, 3, 5], [9, 4, -1]],
    [[[0, 4], [-1, 0], [1, -1]], [[0, 0], [1, -1], [-1, -1]]],
    ("walk", "tgn"),
)


def test_recall_by_source_and_what_it_alone_brings():
    # 7: walk first, tgn fifth. 3: tgn alone. 8: nobody. 4: walk alone, on its second place.
    wanted = true([7, 3, 8], [4])
    assert source_recall(TWO, wanted, 3) == (
        SourceRecall("walk", 2 / 4, 2 / 4, 4),
        SourceRecall("tgn", 1 / 4, 1 / 4, 4),
        SourceRecall("all", 3 / 4, 3 / 4, 4),
        SourceRecall("list", 3 / 4, 3 / 4, 4),
    )
    assert source_recall(TWO, wanted, 1)[3].recall == 1 / 4
    walk, tgn, both, _ = source_recall(TWO, wanted, 5)
    assert (walk.recall, walk.unique_share) == (2 / 4, 1 / 4)
    assert (tgn.recall, tgn.unique_share) == (2 / 4, 1 / 4)
    assert both.recall == 3 / 4


def test_ndcg_loss_in_two_by_hand():
    wanted = true([5, 8])
    one = candidates_of([[7, 3, 5]], [[[0], [1], [2]]], ("walk",))
    place = places_of(one, wanted)
    assert place[0].tolist() == [2, -1]
    # Ideal 1 + 1/log2(3); item 5 on place 3 gains 1/log2(4); alone and first it would gain 1.
    ideal = 1 + 1 / np.log2(3)
    found = ndcg_loss(place, wanted, 10)
    assert found.metric == "ndcg@10"
    assert found.value == pytest.approx(0.5 / ideal)
    assert found.recall_loss == pytest.approx((1 / np.log2(3)) / ideal)
    assert found.ranking_loss == pytest.approx(0.5 / ideal)
    hidden = ndcg_loss(place, wanted, 2)
    assert (hidden.value, hidden.ranking_loss) == (0, pytest.approx(1 / ideal))


def test_reciprocal_rank_loss_in_two_by_hand():
    place = [np.array([2, -1]), np.array([-1]), np.array([0])]
    found = reciprocal_rank_loss(place, 3)
    assert found.metric == "mrr@3"
    assert found.value == pytest.approx((1 / 3 + 1) / 3)
    assert found.recall_loss == pytest.approx(1 / 3)
    assert found.ranking_loss == pytest.approx((2 / 3) / 3)


@settings(max_examples=60, deadline=None)
@given(
    queries=st.lists(
        st.tuples(
            st.lists(st.integers(0, 15), unique=True, min_size=8, max_size=8),
            st.lists(st.integers(0, 15), unique=True, min_size=1, max_size=12),
        ),
        min_size=1,
        max_size=5,
    ),
    shown=st.integers(1, 9),
)
def test_losses_and_value_add_up_and_the_value_is_the_metrics_own(queries, shown):
    rows = [row for row, _ in queries]
    wanted = true(*(items for _, items in queries))
    one = candidates_of(rows, [[[p] for p in range(8)]] * len(rows), ("walk",))
    report = report_retrieval(one, wanted, 8, shown)
    rank = np.concatenate([np.where(at < 0, 10**9, at + 1.0) for at in places_of(one, wanted)])
    ptr = np.cumsum([0, *map(len, wanted)]).astype(np.int64)
    for parts in report.losses:
        assert parts.recall_loss >= 0
        assert parts.ranking_loss >= -1e-12
        assert parts.value + parts.recall_loss + parts.ranking_loss == pytest.approx(1, abs=1e-12)
        values = Metric.of_name(parts.metric).values(rank, ptr)
        assert parts.value == pytest.approx(values.mean())


def test_one_source_needs_no_evidence_and_several_do():
    alone = candidates_of([[7, 3]], [[[0], [1]]], ("walk",))
    bare = Candidates(
        alone.item_row,
        alone.score,
        alone.source,
        ("walk",),
        alone.reason_item,
        alone.reason_share,
    )
    assert source_recall(bare, true([3]), 1)[0].recall == 0
    assert source_recall(bare, true([3]), 2) == source_recall(alone, true([3]), 2)
    several = Candidates(
        alone.item_row,
        alone.score,
        alone.source,
        ("a", "b"),
        alone.reason_item,
        alone.reason_share,
    )
    with pytest.raises(DataError, match="without evidence"):
        source_recall(several, true([3]), 1)


def test_queries_without_true_items_or_with_one_twice_are_refused():
    with pytest.raises(DataError, match="at least one, each once"):
        places_of(TWO, true([1], []))
    with pytest.raises(DataError, match="at least one, each once"):
        places_of(TWO, true([1], [2, 2]))
    with pytest.raises(DataError, match="true items of 1 queries with candidates of 2"):
        places_of(TWO, true([1]))
