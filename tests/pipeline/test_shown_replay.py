"""Lists are asked for before they are known."""

from dataclasses import replace

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.events.shown_lists import ShownLists
from graphrec.pipeline.shown_replay import replay_shown
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.features.stream_features import Rate
from graphrec.retrieval.blend import BlendedSource
from graphrec.retrieval.cowatch_neighbours import CoWatchNeighbourSource
from graphrec.retrieval.walks import RandomWalkSource
from graphrec.stages import Interactions


def made_up(seed=0, n_lists=40, n_users=6, n_items=12):
    """A log and lists over the same seconds; lists are shown in any order, one click each."""
    rng = np.random.default_rng(seed)
    n = 4 * n_lists
    events = Interactions(
        np.sort(rng.integers(0, 400, n)),
        rng.integers(0, n_users, n, dtype=np.int32),
        rng.integers(0, n_items, n, dtype=np.int32),
        np.ones(n, np.float32),
        n_users,
        n_items,
    )
    item = np.concatenate([rng.permutation(n_items)[:5] for _ in range(n_lists)])
    clicked = np.zeros((n_lists, 5), bool)
    clicked[np.arange(n_lists), rng.integers(0, 5, n_lists)] = True
    lists = ShownLists(
        np.sort(rng.integers(0, 400, n_lists)),
        rng.integers(0, n_users, n_lists, dtype=np.int32),
        np.arange(n_lists + 1) * 5,
        item.astype(np.int32),
        clicked.ravel(),
        {"price": rng.normal(size=5 * n_lists).astype(np.float32)},
        n_users,
        n_items,
    )
    return events, lists


def replayed(events, lists, cut_s=100):
    walk = RandomWalkSource()
    source = BlendedSource([walk, CoWatchNeighbourSource(beside=walk)])
    inputs = FeatureInputs(
        ("walk", "neighbours"),
        streams=lists.streams(),
        rates=(Rate("clicked", "clicked", "shown", 0.1),),
        given=("price", "position"),
    )
    return replay_shown(source, FeatureBuilder(inputs), events, lists, cut_s)


def test_every_list_from_the_cut_on_keeps_its_items_places_clicks_and_columns():
    events, lists = made_up()
    found = replayed(events, lists)
    first = int(np.searchsorted(lists.time_s, 100))
    assert found.n_lists == len(lists) - first
    price = found.features[:, found.feature_names.index("shown.price")]
    for number in range(found.n_lists):
        mine, theirs = (
            slice(5 * number, 5 * number + 5),
            lists.of_list(first + number),
        )
        # Rows come by item, so that ties of scores do not fall back on the order shown.
        order = np.argsort(lists.item_row[theirs])
        assert found.item_row[mine].tolist() == lists.item_row[theirs][order].tolist()
        assert found.position[mine].tolist() == order.tolist()
        assert found.column("clicked")[mine].tolist() == lists.clicked[theirs][order].tolist()
        assert price[mine].tolist() == lists.columns["price"][theirs][order].tolist()


@pytest.mark.parametrize("number", [12, 25, 39])
def test_nothing_of_a_second_and_later_is_seen_by_lists_of_that_second(number):
    events, lists = made_up()
    before = replayed(events, lists)
    border = lists.time_s[number]
    from_there = np.repeat(lists.time_s >= border, 5)
    other = replace(lists, clicked=np.where(from_there, ~lists.clicked, lists.clicked))
    item = np.where(events.time_s >= border, 11 - events.item_row, events.item_row)
    after = replayed(replace(events, item_row=item.astype(np.int32)), other)
    upto = int((before.time_s <= border).sum())
    rows = slice(0, int(before.list_ptr[upto]))
    assert upto > 0
    np.testing.assert_array_equal(before.features[rows], after.features[rows])
    if upto < before.n_lists:
        assert not np.array_equal(before.features, after.features, equal_nan=True)


def test_a_click_is_known_to_the_next_second_and_not_to_its_own():
    events, lists = made_up()
    time_s = lists.time_s.copy()
    time_s[-3:] = [398, 398, 399]
    user = lists.user_row.copy()
    user[-3:] = 0
    item = lists.item_row.copy()
    item[-15:] = np.tile([0, 1, 2, 3, 4], 3)
    clicked = lists.clicked.copy()
    clicked[-15:] = np.tile([True, False, False, False, False], 3)
    shown = replace(lists, time_s=time_s, user_row=user, item_row=item, clicked=clicked)
    found = replayed(events, shown)
    column = found.features[:, found.feature_names.index("pair.clicked")].reshape(-1, 5)
    assert column[-1, 0] > column[-2, 0] == column[-3, 0]


def test_sources_answer_with_the_items_of_the_list_and_their_places_in_it():
    events, lists = made_up()
    found = replayed(events, lists)
    place = found.features[:, found.feature_names.index("walk.place")].reshape(-1, 5)
    brought = ~np.isnan(place)
    assert brought.any()
    for row, there in zip(place, brought, strict=True):
        expected = np.log1p(np.arange(there.sum()))
        np.testing.assert_allclose(np.sort(row[there]), expected, rtol=1e-6)


def test_a_cut_behind_all_lists_is_refused():
    events, lists = made_up()
    with pytest.raises(DataError, match="no list is shown at or after 500 s"):
        replayed(events, lists, 500)
