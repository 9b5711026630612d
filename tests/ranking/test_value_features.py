"""Means of values by user, by item and by taste, each drawn to the one above it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.errors import DataError
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.features.declared import Asked
from graphrec.ranking.features.name_features import NamesOfItems
from graphrec.ranking.features.value_features import ValueFeatures
from graphrec.stages import Candidates, Interactions, Queries

NAN = np.nan
# Item 0 bears a; item 1 a and b; item 2 b; item 3 nothing.
NAMES = {"genre": NamesOfItems(np.array([0, 1, 3, 4, 4]), np.int32([0, 0, 1, 1]), 2)}


def rated(*events):
    """Events of (user, item, value)."""
    user, item, value = zip(*events, strict=True)
    return Interactions(
        np.arange(len(events)), np.int32(user), np.int32(item), np.float32(value), 4, 5
    )


def filled(family, users, items):
    """The family's columns by name, a row for each user."""
    item = np.array(items, np.int32)
    shape = item.shape
    queries = Queries.of_sessions([np.empty(0, np.int32)] * len(users), 100)
    queries.user_row[:] = users
    zeros = np.zeros(shape, np.float32)
    candidates = Candidates(
        item, zeros, np.zeros(shape, np.int8), ("s",), np.full(shape, -1, np.int32), zeros
    )
    out = np.full((*shape, len(family.features)), NAN, np.float32)
    family.fill(Asked(queries, candidates, np.full(9, -1, np.int32), {}), 0, out)
    return {feature.name: out[..., at] for at, feature in enumerate(family.features)}


def followed(events, strength=1.0):
    family = ValueFeatures("rating", NAMES, strength)
    family.absorb("rating", events)
    return family


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5)


EVENTS = rated((0, 0, 5), (0, 2, 1), (1, 0, 3), (1, 1, 3))
# The mean of all is 3.


def test_means_are_drawn_to_the_mean_of_all():
    found = filled(followed(EVENTS), [0, 3], [[0, 4], [2, -1]])
    same(found["user.rating_mean"], [[3, 3], [3, NAN]])
    same(found["item.rating_mean"], [[(8 + 3) / 3, 3], [2, NAN]])
    same(found["item.rating_count"], [[np.log(3), 0], [np.log(2), NAN]])
    same(found["user.rating_count"], [[np.log(3)] * 2, [0, NAN]])


def test_the_spread_of_an_item_needs_two_values():
    found = filled(followed(EVENTS), [0], [[0, 2, 4]])
    same(found["item.rating_spread"], [[1, NAN, NAN]])


def test_taste_is_what_the_user_gave_to_the_names_less_the_own_mean():
    # User 0 has mean 3, gave a 5 and b 1: (5 - 3) / (1 + 1), their sum, (1 - 3) / (1 + 1).
    found = filled(followed(EVENTS), [0], [[0, 1, 2, 3]])
    same(found["genre.rating_taste"], [[1, 0, -1, NAN]])
    same(found["genre.rating_count"], [[np.log(2), np.log(3), np.log(2), NAN]])


def test_anonymous_values_count_for_the_item_alone_and_ask_without_taste():
    family = followed(EVENTS)
    family.absorb("rating", rated((-1, 4, 5)))
    found = filled(family, [-1], [[4, 0]])
    same(found["item.rating_count"], [[np.log(2), np.log(3)]])
    same(found["user.rating_count"], [[0, 0]])
    assert np.isnan(found["genre.rating_taste"]).all()


def test_other_streams_are_not_heard_and_everything_can_be_forgotten():
    family = followed(EVENTS)
    family.absorb("events", rated((0, 0, 1)))
    same(filled(family, [0], [[0]])["item.rating_count"], [[np.log(3)]])
    family.reset()
    found = filled(family, [0], [[0]])
    assert np.isnan(found["item.rating_mean"]).all()
    same(found["genre.rating_count"], [[0]])


def slow_taste(events, user, item, strength):
    """The two columns of a pair, by the definition."""
    mine = [(i, v) for u, i, v in events if u == user]
    every = [v for _, _, v in events]
    overall = sum(every) / len(every)
    own = (sum(v for _, v in mine) + strength * overall) / (len(mine) + strength)
    ptr, name = NAMES["genre"].ptr, NAMES["genre"].name_row
    total, count = 0.0, 0
    for wanted in name[ptr[item] : ptr[item + 1]]:
        for i, v in mine:
            if i + 1 < len(ptr) and wanted in name[ptr[i] : ptr[i + 1]]:
                total, count = total + v - own, count + 1
    return total / (count + strength), np.log1p(count)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(1, 5)), min_size=1, max_size=30
    ),
    st.integers(0, 30),
    st.sampled_from([0.5, 5.0]),
)
def test_tastes_are_those_of_the_definition_however_events_arrive(events, border, strength):
    family = ValueFeatures("rating", NAMES, strength)
    for part in (events[:border], events[border:]):
        if part:
            family.absorb("rating", rated(*part))
    found = filled(family, [0, 1, 2, 3], [[0, 1, 2]] * 4)
    for user in range(4):
        for item in range(3):
            taste, count = slow_taste(events, user, item, strength)
            np.testing.assert_allclose(found["genre.rating_taste"][user, item], taste, atol=1e-4)
            np.testing.assert_allclose(found["genre.rating_count"][user, item], count, atol=1e-5)


def test_values_of_a_stream_that_is_not_there_are_refused():
    with pytest.raises(DataError, match="values of stream 'stars' — there are events, rating"):
        FeatureBuilder(FeatureInputs(streams={"rating": EVENTS}, values=("stars",)))
