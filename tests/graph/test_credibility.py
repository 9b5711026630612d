"""Means drawn toward what units belong to: by hand, and from what they were drawn from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.graph.credibility import CrossedSums, credibility_count


def test_the_credibility_count_is_within_over_between_by_hand():
    # Units (1, 3), (5, 7): within 2; between (2 * 4 + 2 * 4 - 2) / (4 - 8 / 4) = 7.
    found = credibility_count(
        np.array([2.0, 2.0]), np.array([4.0, 12.0]), np.array([10.0, 74.0]), np.zeros(2, np.int64)
    )
    assert found == pytest.approx(2 / 7)
    alike = credibility_count(
        np.array([2.0, 2.0]), np.array([4.0, 4.0]), np.array([10.0, 10.0]), np.zeros(2, np.int64)
    )
    assert alike == float("inf")


def test_the_credibility_count_finds_the_spread_it_was_drawn_from():
    rng = np.random.default_rng(8)
    count = rng.integers(1, 30, 3_000)
    group = rng.integers(0, 20, 3_000)
    mean = 100 * group + rng.normal(0, 10, 3_000)
    unit = np.repeat(np.arange(3_000), count)
    value = mean[unit] + rng.normal(0, 40, len(unit))
    found = credibility_count(
        count.astype(float),
        np.bincount(unit, value),
        np.bincount(unit, value**2),
        group.astype(np.int64),
    )
    assert found == pytest.approx(40**2 / 10**2, rel=0.15)


def drawn(rng, n_first, n_second, n, spread):
    """Observations of pairs: firsts take the seconds that lie nearest to them more often."""
    more = rng.normal(0, spread, n_first)
    mean = 10 + rng.normal(0, 1, n_second)
    first = rng.integers(0, n_first, n)
    rank = np.argsort(np.argsort(more)) / n_first
    second = np.clip((rank[first] + rng.normal(0, 0.2, n)) * n_second, 0, n_second - 1)
    second = second.astype(np.int64)
    return first, second, mean[second] + more[first] + rng.normal(0, 2, n), mean


def test_the_means_of_the_second_are_found_whatever_the_first_brings():
    rng = np.random.default_rng(3)
    first, second, value, mean = drawn(rng, 200, 50, 40_000, spread=5)
    sums = CrossedSums()
    sums.add(first, second, value)
    found, prior = sums.means_of_second(50, np.zeros(50, np.int64), None)
    naive = np.bincount(second, value) / np.bincount(second)
    assert np.corrcoef(found, mean)[0, 1] > 0.9
    assert np.corrcoef(naive, mean)[0, 1] < 0.4
    assert found.std() == pytest.approx(mean.std(), rel=0.25)
    assert prior == pytest.approx(4, rel=0.4)
    assert np.average(found, weights=np.bincount(second)) == pytest.approx(value.mean(), rel=0.01)


def test_without_firsts_that_differ_the_means_are_those_of_the_second():
    sums = CrossedSums()
    sums.add(np.zeros(4, np.int64), np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 5.0, 7.0]))
    found, prior = sums.means_of_second(3, np.zeros(3, np.int64), None)
    assert prior == pytest.approx(2 / 7)
    assert found.tolist() == pytest.approx(
        [(4 + prior * 4) / (2 + prior), (12 + prior * 4) / (2 + prior), 4]
    )


def test_nothing_observed_is_worth_nothing():
    found, prior = CrossedSums().means_of_second(2, np.zeros(2, np.int64), None)
    assert found.tolist() == [0, 0] and prior == float("inf")


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 90)), max_size=30),
    st.lists(st.integers(0, 30), max_size=4),
)
def test_batches_count_what_one_batch_counts(rows, borders):
    columns = np.array(rows, np.int64).reshape(-1, 3)
    whole, batched = CrossedSums(), CrossedSums()
    whole.add(columns[:, 0], columns[:, 1], columns[:, 2].astype(float))
    begin = 0
    for end in [*sorted(borders), len(rows)]:
        part = columns[begin:end]
        batched.add(part[:, 0], part[:, 1], part[:, 2].astype(float))
        assert len(batched) <= len(rows)
        begin = max(begin, end)
    assert len(batched) == len(whole) == len({row[:2] for row in rows})
    group = np.zeros(4, np.int64)
    of_whole, of_batched = (sums.means_of_second(4, group, None) for sums in (whole, batched))
    assert of_batched[0].tolist() == of_whole[0].tolist()
    assert of_batched[1] == of_whole[1]
