"""A span lived through again: what was known, which lists come of it, and what they hold."""

from dataclasses import replace

import numpy as np
import pytest

from graphrec.pipeline.replay import ReplaySettings, replay, with_evidence_of
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.stages import Candidates, Eligibility, Interactions, Queries
from tests.worlds import watched

# Second 1 is past; then user 0 has item 1 at 2, and user 1 has items 3 and 2 at 3.
EVENTS = watched([(1, 0, 0), (2, 0, 1), (3, 1, 3), (3, 1, 2)])


class Recorder:
    """Finds items 2, 0 and 1 for everyone, and remembers what it was told before each question."""

    name = "recorder"

    def __init__(self) -> None:
        self.n_known = 0
        self.asked: list[tuple[int, int, int]] = []

    def fit(self, events: Interactions, cut_s: int) -> None:
        self.n_known = len(events)

    def absorb(self, events: Interactions) -> None:
        self.n_known += len(events)

    def score(self, queries: Queries) -> np.ndarray:
        raise AssertionError("nobody asked for scores")

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        for query in range(len(queries)):
            past = queries.history(query)
            self.asked.append((self.n_known, int(queries.time_s[query]), past.stop - past.start))
        shape = (len(queries), 3)
        return Candidates(
            np.tile(np.array([2, 0, 1], np.int32), (len(queries), 1)),
            np.tile(np.array([3, 2, 1], np.float32), (len(queries), 1)),
            np.zeros(shape, np.int8),
            ("recorder",),
            np.full(shape, -1, np.int32),
            np.zeros(shape, np.float32),
        )


def lived(events: Interactions = EVENTS, first: int = 1, **settings: object):
    source, builder = Recorder(), FeatureBuilder(FeatureInputs(("recorder",)))
    past = events.take(slice(0, first))
    source.fit(past, int(events.time_s[first]))
    builder.fit(past, int(events.time_s[first]))
    values = {"n_candidates": 3, "n_top": 1, "n_drawn": 0, **settings}
    return replay(source, builder, events, first, ReplaySettings(**values)), source


def test_a_list_holds_the_top_and_what_happened_and_one_not_retrieved_makes_none() -> None:
    lists, _ = lived()
    assert lists.item_row.tolist() == [1, 2, 2]
    assert lists.list_ptr.tolist() == [0, 2, 3]
    assert lists.outcome[:, 0].tolist() == [1, 0, 1]
    assert lists.time_s.tolist() == [2, 3]
    assert lists.user_row.tolist() == [0, 1]
    place = lists.features[:, lists.feature_names.index("recorder.place")]
    np.testing.assert_allclose(place, np.log1p([2, 0, 0]))


def test_nothing_of_a_second_is_known_to_its_questions() -> None:
    _, source = lived()
    assert source.asked == [(1, 2, 1), (2, 3, 0), (2, 3, 0)]
    assert source.n_known == 4


def test_a_stale_batch_is_asked_as_of_its_first_event() -> None:
    _, source = lived(stale_batch=2)
    assert source.asked == [(1, 2, 1), (1, 2, 0), (3, 3, 1)]


def test_features_are_those_of_before_the_event() -> None:
    lists, _ = lived()
    # A count of past watches of the item by everyone: item 1 was never had when it was asked for.
    again = lived(watched([(1, 0, 1), (2, 0, 1), (3, 1, 2)]))[0]
    names = lists.feature_names
    columns = [at for at, name in enumerate(names) if name.startswith("item.")]
    assert columns
    assert not np.array_equal(
        lists.features[0, columns], again.features[0, columns], equal_nan=True
    )


@pytest.mark.parametrize("n_drawn", [0, 1, 2, 9])
def test_draws_add_to_the_top_and_what_happened(n_drawn: int) -> None:
    lists, _ = lived(n_drawn=n_drawn)
    assert np.diff(lists.list_ptr).tolist() == [min(2 + n_drawn, 3), min(1 + n_drawn, 3)]
    assert lists.outcome[:, 0].sum() == 2


def test_questions_are_drawn_evenly_and_by_the_seed() -> None:
    events = watched([(at, 0, at % 2) for at in range(400)], n_users=1, n_items=3)
    few = [lived(events, 100, n_lists=60, seed=seed)[0].time_s.tolist() for seed in (1, 1, 2)]
    assert few[0] == few[1] != few[2]
    assert len(few[0]) == 60
    assert 20 <= sum(time_s < 250 for time_s in few[0]) <= 40


def test_a_span_of_which_nothing_is_found_makes_an_empty_set() -> None:
    lists, _ = lived(watched([(1, 0, 0), (2, 0, 3), (3, 0, 3)]))
    assert (lists.n_lists, len(lists)) == (0, 0)


def test_shown_items_carry_what_sources_said_of_them() -> None:
    found = Recorder().retrieve(Queries.of_sessions([np.empty(0, np.int32)], 9), 3, Eligibility())
    shown = with_evidence_of(found, np.array([[1, 7, -1]], np.int32))
    assert shown.evidence is not None
    assert shown.evidence.place[0, :, 0].tolist() == [2, -1, -1]
    assert shown.evidence.score[0, 0, 0] == 1
    assert np.isnan(shown.evidence.score[0, 1:, 0]).all()
    nobody = replace(
        found,
        item_row=found.item_row[:, :0],
        score=found.score[:, :0],
        source=found.source[:, :0],
        reason_item=found.reason_item[:, :0],
        reason_share=found.reason_share[:, :0],
    )
    assert with_evidence_of(nobody, np.array([[1]], np.int32)).evidence.place.tolist() == [[[-1]]]
