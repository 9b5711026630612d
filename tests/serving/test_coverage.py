"""What the last slates showed: counted in bounded memory, told as curves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.evaluation.beyond_accuracy import exposure_gini
from graphrec.serving.coverage import gini, lorenz, ranks
from graphrec.serving.messages import EventsOut, ItemOut, SlateOut
from graphrec.serving.shown_items import ShownItems

COUNTS = st.lists(st.integers(1, 50), min_size=1, max_size=30)


def slate(*items):
    shown = [
        ItemOut(item_id=item, title=item, score=1.0, found_by=[], reasons=[], propensity=None)
        for item in items
    ]
    return SlateOut(slate_id="s", items=shown, next_cursor=None, notes=[], seq=1, time_s=1)


def test_only_the_last_slates_count():
    shown = ShownItems(2)
    assert shown.counts()[0] == 0 and len(shown.counts()[1]) == 0
    shown.recorded(EventsOut(results=[], seq=None))
    shown.made(slate("a", "b"), 0.1)
    shown.made(slate("b"), 0.1)
    assert sorted(shown.counts()[1].tolist()) == [1, 2]
    shown.made(slate("c", "b"), 0.1)
    n_slates, counts = shown.counts()
    # "a" stood in the slate that was forgotten.
    assert n_slates == 2 and sorted(counts.tolist()) == [1, 2]


@given(COUNTS, st.integers(0, 40))
def test_gini_is_that_of_the_evaluation(counts, n_unshown):
    n_items = len(counts) + n_unshown
    lists = np.repeat(np.arange(len(counts), dtype=np.int32), counts)[:, None]
    wanted = exposure_gini(lists, n_items)
    assert gini(np.array(counts, np.int64), n_items) == pytest.approx(wanted)


@given(COUNTS, st.integers(0, 40))
def test_a_lorenz_curve_rises_ever_faster_from_nothing_to_all(counts, n_unshown):
    curve = lorenz(np.array(counts, np.int64), len(counts) + n_unshown)
    assert len(curve) == 51 and curve[0] == 0 and curve[-1] == pytest.approx(1)
    assert (np.diff(curve, 2) > -1e-9).all()


def test_a_lorenz_curve_by_hand():
    # Four items shown 0, 0, 1 and 3 times: the poorer half has nothing, three quarters a quarter.
    curve = lorenz(np.array([3, 1]), 4)
    assert curve[25] == 0 and curve[38] == pytest.approx(0.28) and curve[50] == 1
    assert curve[37] == pytest.approx(0.24)
    assert gini(np.array([3, 1]), 4) == pytest.approx(0.625)


def test_nothing_shown_has_no_curve():
    none = np.empty(0, np.int64)
    assert gini(none, 3) is None and len(lorenz(none, 3)) == 0 and ranks(none) == []


def test_ranks_are_thinned_evenly_in_their_logarithm():
    few = ranks(np.array([2, 9, 4]))
    assert [(one.rank, one.n) for one in few] == [(1, 9), (2, 4), (3, 2)]
    many = ranks(np.arange(1, 100_001))
    assert len(many) <= 120 and many[0].rank == 1 and many[-1].rank == 100_000
    assert all(one.n == 100_001 - one.rank for one in many)
