import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.errors import DataError, SettingsError
from graphrec.retrieval.blend import BlendedSource, Quota, merge_candidates
from graphrec.retrieval.popular import PopularSettings, PopularSource
from graphrec.stages import Candidates, Eligibility, Queries
from tests.reference.merging import merge
from tests.worlds import watched


def a_list(name: str, items: list[int], width: int | None = None, reasons=None) -> Candidates:
    """One query's list with scores 10, 9, 8, ...; `reasons` are past items, -1 for none."""
    width = len(items) if width is None else width
    item = np.full((1, width), -1, np.int32)
    item[0, : len(items)] = items
    score = np.where(item >= 0, 10.0 - np.arange(width), -np.inf).astype(np.float32)
    reason = np.full((1, width), -1, np.int32)
    if reasons:
        reason[0, : len(reasons)] = reasons
    share = np.where(reason >= 0, 0.5, 0.0).astype(np.float32)
    return Candidates(
        item, score, np.where(item < 0, -1, 0).astype(np.int8), (name,), reason, share
    )


class Broken(PopularSource):
    name = "broken"

    def retrieve(self, queries, k, eligibility):
        raise ZeroDivisionError("the table is empty")


def asked() -> Queries:
    return Queries.of_sessions([np.array([0], np.int32)], 100)


def test_lists_are_merged_by_reciprocal_places_with_everything_each_source_says():
    walk, tgn = a_list("walk", [7, 3, 5]), a_list("tgn", [3, 9])
    found = merge_candidates([walk, tgn], [Quota(), Quota(weight=2)], 4)
    # 3: 1/62 + 2/61; 9: 2/62; 7: 1/61; 5: 1/63
    assert found.item_row[0].tolist() == [3, 9, 7, 5]
    np.testing.assert_allclose(found.score[0], [1 / 62 + 2 / 61, 2 / 62, 1 / 61, 1 / 63])
    assert found.source[0].tolist() == [1, 1, 0, 0]
    assert found.source_names == ("walk", "tgn")
    assert found.evidence.place[0].tolist() == [[1, 0], [-1, 1], [0, -1], [2, -1]]
    expected = [[9, 10], [np.nan, 9], [10, np.nan], [8, np.nan]]
    np.testing.assert_array_equal(found.evidence.score[0], expected)


def test_a_reason_is_the_best_places_own_or_else_the_first_there_is():
    one = a_list("one", [7, 3], reasons=[-1, 21])
    two = a_list("two", [3, 7], reasons=[31, 32])
    found = merge_candidates([one, two], [Quota(), Quota()], 2)
    reasons = dict(zip(found.item_row[0].tolist(), found.reason_item[0].tolist(), strict=True))
    assert reasons == {3: 31, 7: 32}
    assert found.reason_share[0].tolist() == [0.5, 0.5]


def test_quotas_cut_lists_and_guaranteed_shares_keep_the_top_of_a_weak_list():
    strong, weak = a_list("strong", [1, 2, 3, 4, 5]), a_list("weak", [8, 9])
    quotas = [Quota(n=4), Quota(weight=0.01)]
    assert merge_candidates([strong, weak], quotas, 4).item_row[0].tolist() == [1, 2, 3, 4]
    quotas = [Quota(n=4), Quota(weight=0.01, min_share=0.25)]
    assert merge_candidates([strong, weak], quotas, 4).item_row[0].tolist() == [1, 2, 3, 8]
    assert merge_candidates([strong, weak], quotas, 9).item_row[0].tolist() == [
        *[1, 2, 3, 4, 8, 9],
        *[-1] * 3,
    ]


@settings(max_examples=60, deadline=None)
@given(
    lists=st.lists(st.lists(st.integers(0, 12), unique=True, max_size=8), min_size=1, max_size=4),
    weights=st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=4, max_size=4),
    n=st.integers(1, 9),
    share=st.sampled_from([0.0, 0.1, 0.25]),
    k=st.integers(0, 20),
)
def test_merging_agrees_with_its_slow_twin(lists, weights, n, share, k):
    quotas = [Quota(n=n, weight=w, min_share=share) for w in weights[: len(lists)]]
    records = [a_list(str(s), items, width=9) for s, items in enumerate(lists)]
    found = merge_candidates(records, quotas, k)
    scored = [[(item, 0.0) for item in items] for items in lists]
    expected = merge(scored, quotas, k, 60)
    m = len(expected)
    assert found.item_row[0].tolist() == [row[0] for row in expected] + [-1] * (k - m)
    np.testing.assert_allclose(found.score[0, :m], [row[1] for row in expected], rtol=1e-6)
    assert found.source[0, :m].tolist() == [row[2] for row in expected]
    assert found.evidence.place[0, :m].tolist() == [row[3] for row in expected]


def test_a_source_that_fails_is_left_out_with_a_note_and_a_log_line(caplog):
    source = BlendedSource([PopularSource(), Broken()])
    source.fit(watched([(1, 0, 0), (2, 0, 1), (3, 1, 2)]), 10)
    with caplog.at_level(logging.WARNING):
        found = source.retrieve(asked(), 3, Eligibility())
    assert found.item_row[0].tolist() == [1, 2, -1]
    assert found.source_names == ("popular", "broken")
    assert (found.evidence.place[..., 1] == -1).all()
    assert found.notes == ("broken was left out: ZeroDivisionError: the table is empty",)
    assert found.notes[0] in caplog.text


def test_where_every_source_fails_the_answer_is_empty_and_says_so():
    source = BlendedSource([Broken()])
    source.fit(watched([(1, 0, 0)]), 10)
    found = source.retrieve(asked(), 3, Eligibility())
    assert found.item_row.tolist() == [[-1, -1, -1]]
    assert len(found.notes) == 1


def test_events_reach_every_source():
    source = BlendedSource([PopularSource(), PopularSource(PopularSettings(window_days=1))])
    source.fit(watched([(1, 0, 0)]), 10)
    source.absorb(watched([(20, 0, 1)]))
    np.testing.assert_array_equal(
        source.score(asked()), np.array([[2 / 61, 2 / 62]]).astype(np.float32)
    )
    found = source.retrieve(asked(), 2, Eligibility("allow"))
    np.testing.assert_array_equal(found.score, source.score(asked()))


def test_wrong_blends_are_refused():
    with pytest.raises(SettingsError, match="each name once"):
        BlendedSource([PopularSource(), PopularSource()])
    with pytest.raises(SettingsError, match="each name once"):
        BlendedSource([])
    with pytest.raises(SettingsError, match="1 quotas for 2 sources"):
        BlendedSource([PopularSource(), Broken()], [Quota()])
    with pytest.raises(SettingsError, match=r"add up to 1\.2"):
        merge_candidates([a_list("a", [1]), a_list("b", [1])], [Quota(min_share=0.6)] * 2, 3)
    with pytest.raises(DataError, match="1 lists with 0 quotas"):
        merge_candidates([a_list("a", [1])], [], 3)
    merged = merge_candidates([a_list("a", [1]), a_list("b", [1])], [Quota()] * 2, 3)
    with pytest.raises(DataError, match="of one source"):
        merge_candidates([merged], [Quota()], 3)
