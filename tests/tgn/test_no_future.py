"""Nothing that is scored has seen the future, in any part of the network."""

import numpy as np
import pytest
import torch

from graphrec.evaluation.guard import plant_future_event
from tests.tgn.logs import a_log, a_network
from tests.tgn.test_parity import CLOSE, NETWORKS, scores_from_index


@pytest.fixture(params=NETWORKS.values(), ids=NETWORKS.keys())
def network(request):
    return a_network(**request.param)


@pytest.mark.parametrize("seed", range(4))
def test_an_event_planted_at_a_second_changes_nothing_up_to_it(network, seed):
    log = a_log(seed)
    before = scores_from_index(network, log, np.arange(len(log)))
    for event in range(0, len(log), 7):
        time_s = int(log.time_s[event])
        planted = plant_future_event(log, time_s, int(log.user_row[event]), 3)
        asked = np.flatnonzero(log.time_s <= time_s)
        after = scores_from_index(network, planted, asked)
        torch.testing.assert_close(after, before[: len(asked)], **CLOSE)
        later = np.flatnonzero(planted.time_s > time_s)
        if len(later):
            mine = later[planted.user_row[later] == log.user_row[event]]
            if len(mine):
                moved = scores_from_index(network, planted, mine[:1])
                assert not torch.allclose(moved, before[mine[:1] - 1])


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_tied_events_of_different_users_changes_nothing(network, seed):
    log = a_log(seed)
    # Events of one user keep their order: which of two came last is part of the log.
    order = np.lexsort([log.user_row if seed % 2 else -log.user_row, log.time_s])
    assert (order != np.arange(len(log))).any()
    before = scores_from_index(network, log, np.arange(len(log)))
    after = scores_from_index(network, log.take(order), np.arange(len(log)))
    same_last = _items_whose_last_user_is_settled(log)
    if network.settings.n_scales:
        asked = np.flatnonzero(same_last)
        torch.testing.assert_close(after[np.argsort(order)][asked], before[asked], **CLOSE)
    else:
        torch.testing.assert_close(after[np.argsort(order)], before, **CLOSE)


def _items_whose_last_user_is_settled(log):
    """Whether no item had, before an event, two users in its own last second."""
    settled = np.ones(len(log), bool)
    for event in range(len(log)):
        known = log.take(log.time_s < log.time_s[event])
        for item in np.unique(known.item_row):
            mine = known.item_row == item
            last = mine & (known.time_s == known.time_s[mine].max())
            if len(np.unique(known.user_row[last])) > 1:
                settled[event] = False
    return settled
