"""The parts of the co-watch kernels do what their names say."""

import numpy as np
import pytest

from graphrec.kernels.cowatch import bit_length, sort_keys
from graphrec.kernels.seen_ids import add_ids
from graphrec.kernels.weighing import _kth_heaviest, count_survivors


@pytest.mark.parametrize("value", [0, 1, 2, 3, 255, 256, 2**40])
def test_bit_length_is_pythons(value):
    assert bit_length(value) == value.bit_length()


@pytest.mark.parametrize("bits", [0, 1, 9, 10, 11, 25, 43])
@pytest.mark.parametrize("n", [0, 1, 500])
def test_keys_are_sorted_stably_with_their_strengths(bits, n):
    rng = np.random.default_rng(bits)
    key = rng.integers(0, min(1 << bits, 400), n) * max((1 << bits) // 400, 1)
    strength = rng.random(n)
    order = np.argsort(key, kind="stable")
    expected = key[order], strength[order]
    swap = np.empty(n, np.int64), np.empty(n)
    swapped = sort_keys(bits, n, key, strength, *swap)
    found = swap if swapped else (key, strength)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_seen_ids_agree_with_a_set():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 60, 300).astype(np.uint64) * np.uint64(1 << 57)
    slot, has_zero = np.zeros(128, np.uint64), np.zeros(1, np.bool_)
    is_new = np.empty(300, np.bool_)
    n_new = add_ids(ids, slot, has_zero, is_new)
    seen = set()
    for one, new in zip(ids.tolist(), is_new.tolist(), strict=True):
        assert new == (one not in seen)
        seen.add(one)
    assert n_new == len(seen)


@pytest.mark.parametrize("n", [1, 2, 17, 300])
def test_kth_heaviest_agrees_with_sorting(n):
    rng = np.random.default_rng(n)
    weight = np.round(rng.lognormal(0, 5, n), 1).astype(np.float32) + np.float32(0.1)
    for k in {1, n // 2 + 1, n}:
        assert _kth_heaviest(weight, k) == np.sort(weight)[-k]


def test_survivors_shrink_with_the_chance_and_grow_with_the_units():
    chances = np.linspace(0, 1, 21)
    left = [count_survivors(3, 1, 2, 19_000, 1000, chance) for chance in chances]
    assert left == sorted(left)
    assert (left[0], left[-1]) == (0, 1000)
    assert left[10] == pytest.approx(500, abs=60)
    by_units = [count_survivors(3, 1, 2, 19_000, n, 0.5) for n in range(50)]
    assert set(np.diff(by_units)) == {0, 1}


def test_survivors_differ_by_seed_edge_and_cohort():
    draws = {
        count_survivors(*key, 10_000, 0.5)
        for key in [(0, 1, 2, 3), (1, 1, 2, 3), (0, 2, 1, 3), (0, 1, 2, 4), (0, 1, 3, 3)]
    }
    assert len(draws) == 5
