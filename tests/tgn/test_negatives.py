"""Hard negatives keep the sampled softmax right on average; given ones and weights are obeyed."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from graphrec.errors import DataError, SettingsError
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.losses import (
    Candidates,
    OwnCandidates,
    draw_candidates,
    expected_draws,
    full_softmax,
    sampled_softmax,
    with_given,
)
from graphrec.tgn.negatives import GivenNegatives, HardNegativeDraws
from graphrec.tgn.settings import LossSettings, TrainingSettings
from graphrec.tgn.smoothness import CoWatchSmoothness
from graphrec.tgn.training import Trainer
from tests.tgn.logs import CPU, N_ITEMS, a_log, a_network

SCALE_S = torch.tensor([60.0])
MIXED = LossSettings(kind="sampled", n_uniform=6, n_past=4, n_recent=5, recent_events=20)


def a_world(n_items=N_ITEMS):
    """An index, queries at some of its events, and a score for every query and item."""
    index = EventIndex(a_log(3, n_events=120, n_items=n_items), SCALE_S, CPU)
    position = torch.arange(100, 116)
    bound = index.bounds_of(position)
    windows = index.windows(index.user[position], bound, index.time_s[bound], 8)
    score = torch.randn(len(position), n_items, generator=torch.Generator().manual_seed(1))
    return index, position, bound, windows, score


def mean_partition(settings, correct=lambda expected: expected, n_draws=1500):
    """Mean over draws of every query's estimated sum of exponentials, over the true one."""
    index, position, bound, windows, score = a_world()
    share = torch.bincount(index.item, minlength=N_ITEMS).float()
    share /= share.sum()
    draws = HardNegativeDraws(index, settings)
    torch.manual_seed(2)
    total = torch.zeros(len(position))
    target = index.item[position]
    positive = score.gather(1, target[:, None])[:, 0]
    for _ in range(n_draws):
        # In-batch draws of others, made anew so that the mean is over them too.
        drawn = draw_candidates(torch.multinomial(share, 16, replacement=True), share, settings)
        shared = torch.cat([target, drawn.item[16:]])
        others = drawn.item[:16]
        expected = expected_draws(17 if settings.in_batch else 1, share, settings)
        hard = draws.draw(windows, bound, expected, torch.cat([shared, others]))
        own = OwnCandidates(hard.item, score.gather(1, hard.item), correct(hard.log_expected))
        items = torch.cat([shared, others])
        log_expected = correct(hard.log_expected_shared)
        # The positives at the front are fixed here and are no draws: `usable` leaves them out.
        loss = sampled_softmax(
            score[:, items],
            Candidates(items, log_expected),
            usable=torch.zeros(16, dtype=torch.bool),
            own=own,
        )
        total += torch.exp(loss + positive)
    return total / n_draws / torch.exp(score).sum(1)


@pytest.mark.parametrize("settings", [MIXED, MIXED.model_copy(update={"n_past": 0})])
def test_the_sum_of_exponentials_is_right_on_average_for_every_query(settings):
    ratio = mean_partition(settings)
    torch.testing.assert_close(ratio, torch.ones(16), rtol=0, atol=0.08)


@pytest.mark.parametrize("wrong", [lambda e: -e, lambda e: 0 * e, lambda e: 2 * e])
def test_another_sign_or_strength_of_the_correction_is_off(wrong):
    assert float((mean_partition(MIXED, wrong, 200) - 1).abs().mean()) > 0.2


def test_draws_come_from_the_window_and_the_newest_events_before_the_bound():
    index, position, bound, windows, _ = a_world(200)
    draws = HardNegativeDraws(index, MIXED)
    expected = torch.zeros(200)
    hard = draws.draw(windows, bound, expected, torch.arange(200))
    for query in range(len(position)):
        window = windows.item[query][windows.present[query]].tolist()
        newest = index.item[max(0, int(bound[query]) - 20) : bound[query]].tolist()
        assert set(hard.item[query, :4].tolist()) <= set(window)
        assert set(hard.item[query, 4:].tolist()) <= set(newest)
        by_hand = [
            4 * window.count(item) / len(window) + 5 * newest.count(item) / len(newest)
            for item in range(200)
        ]
        np.testing.assert_allclose(
            torch.exp(hard.log_expected_shared[query]), np.maximum(by_hand, 1e-12), rtol=1e-5
        )


def test_a_query_without_past_or_log_draws_nothing():
    index = EventIndex(a_log(0), SCALE_S, CPU)
    bound = torch.zeros(2, dtype=torch.int64)
    windows = index.windows(index.user[:2], bound, index.time_s[:2], 8)
    hard = HardNegativeDraws(index, MIXED).draw(
        windows, bound, torch.ones(N_ITEMS), torch.arange(N_ITEMS)
    )
    assert torch.isinf(hard.log_expected).all()
    own = OwnCandidates(hard.item, torch.randn(hard.item.shape), hard.log_expected)
    drawn = Candidates(torch.tensor([1, 2, 3]), torch.zeros(3))
    score = torch.randn(2, 3)
    assert torch.equal(sampled_softmax(score, drawn, own=own), sampled_softmax(score, drawn))


def test_own_draws_of_the_positive_are_left_out():
    own = OwnCandidates(torch.full((2, 1), 3), torch.ones(2, 1), torch.zeros(2, 1))
    drawn = Candidates(torch.tensor([3, 3]), torch.zeros(2))
    assert sampled_softmax(torch.ones(2, 2), drawn, own=own).tolist() == [0.0, 0.0]


def test_given_negatives_count_beside_the_softmax():
    score = torch.tensor([[0.0, 1.0, 2.0, -1.0]])
    loss = full_softmax(score, torch.tensor([1]))
    more = with_given(loss, score[:, 1], score[:, [2, 0]], torch.tensor([[0.5, -torch.inf]]))
    by_hand = torch.log(torch.exp(score).sum() + torch.exp(torch.tensor(2.5))) - 1
    assert more.tolist() == [pytest.approx(float(by_hand))]


def test_nothing_given_changes_neither_loss_nor_gradient():
    score = torch.randn(2, 4, requires_grad=True)
    target = torch.tensor([0, 3])
    given = torch.full((2, 3), -torch.inf)
    losses = [full_softmax(score, target)]
    losses.append(with_given(losses[0], score[:, 0], score[:, :3], given))
    gradients = [torch.autograd.grad(loss.sum(), score, retain_graph=True)[0] for loss in losses]
    torch.testing.assert_close(losses[1], losses[0])
    torch.testing.assert_close(gradients[1], gradients[0])


def test_given_negatives_are_found_by_event_and_long_lists_are_drawn_from():
    index = EventIndex(a_log(1), SCALE_S, CPU)
    position = torch.tensor([5, 9, 5, 9, 9, 9])
    item = torch.tensor([4, 0, 7, 1, 2, 3])
    given = GivenNegatives(position, item, index)
    found, log_count = given.of_events(torch.tensor([5, 6, 9]), torch.tensor([7, 7, 8]), 2)
    assert found[0, 0] == 4
    assert log_count[0].tolist() == [0.0, -torch.inf]
    assert torch.isinf(log_count[1]).all()
    assert torch.exp(log_count[2]).tolist() == [2.0, 2.0]
    torch.manual_seed(0)
    seen = torch.zeros(4)
    for _ in range(400):
        seen[given.of_events(torch.tensor([9]), torch.tensor([8]), 2)[0][0]] += 1
    assert seen.sum() == 800
    assert (seen > 140).all()


def test_given_negatives_outside_the_log_are_refused():
    index = EventIndex(a_log(1), SCALE_S, CPU)
    with pytest.raises(DataError, match="item 0 to 99 — rows from 0 to 8"):
        GivenNegatives(torch.tensor([1, 2]), torch.tensor([0, 99]), index)


def test_the_pairs_of_smoothness_are_consecutive_near_and_learnt():
    log = a_log(2)
    index = EventIndex(log, SCALE_S, CPU)
    wanted = torch.arange(len(log)) < 40
    settings = LossSettings(smoothness=1.0, smoothness_hours=3.0)
    pairs = torch.stack(CoWatchSmoothness(index, wanted, settings).pairs, 1).tolist()
    by_hand = []
    for user in range(log.n_users):
        mine = np.flatnonzero(log.user_row == user)
        for one, other in pairwise(mine):
            near = log.time_s[other] - log.time_s[one] <= 3 * 3600
            if near and other < 40 and log.item_row[one] != log.item_row[other]:
                by_hand.append([int(log.item_row[one]), int(log.item_row[other])])
    assert 0 < len(by_hand) < 40
    assert sorted(pairs) == sorted(by_hand)


def test_no_pair_is_told():
    index = EventIndex(a_log(2), SCALE_S, CPU)
    nobody = torch.zeros(index.n_events, dtype=torch.bool)
    with pytest.raises(SettingsError, match="no user has two items within smoothness_hours 24"):
        CoWatchSmoothness(index, nobody, LossSettings(smoothness=1.0))


def trained_on(
    log, *, loss=None, weight=None, negatives=None, n_epochs=3, n_training=50, rate=0.02
):
    network = a_network()
    index = EventIndex(log, network.scale_s, CPU)
    given = None if negatives is None else GivenNegatives(*negatives, index)
    settings = TrainingSettings(
        batch_size=25,
        epochs=n_epochs,
        learning_rate=rate,
        warmup_steps=0,
        loss=loss or LossSettings(),
    )
    trainer = Trainer(
        network, index, torch.arange(n_training), settings, weight=weight, negatives=given
    )
    for _ in range(n_epochs):
        trainer.run_epoch()
    return network.eval(), index


def mean_cosine(network, pairs):
    code = network.codes().detach()
    return float((code[pairs[0]] * code[pairs[1]]).sum(-1).mean())


def test_smoothness_pulls_co_watched_items_together():
    log = a_log(4)
    plain, index = trained_on(log, n_epochs=12, rate=0.1)
    pulled = LossSettings(smoothness=5.0, smoothness_pairs=64)
    smooth, _ = trained_on(log, loss=pulled, n_epochs=12, rate=0.1)
    wanted = torch.arange(len(log)) < 50
    pairs = CoWatchSmoothness(index, wanted, LossSettings(smoothness=1.0)).pairs
    assert mean_cosine(smooth, pairs) > mean_cosine(plain, pairs) + 0.05


@pytest.mark.parametrize("kind", ["full", "sampled"])
def test_given_negatives_sink(kind):
    log = a_log(4)
    position = torch.arange(50)
    negatives = (position, torch.full_like(position, N_ITEMS - 1))
    loss = LossSettings(kind=kind, n_uniform=8, given_weight=20.0)
    means = []
    for given in (None, negatives):
        network, index = trained_on(log, loss=loss, negatives=given, n_epochs=6)
        bound = index.bounds_of(position)
        windows = index.windows(index.user[:50], bound, index.time_s[bound], 8)
        score = network(windows, index.history(bound)).detach()
        share = torch.softmax(score, dim=1)
        means.append(float(share[:, N_ITEMS - 1].mean()))
    assert means[1] < 0.7 * means[0]


def test_events_of_weight_0_teach_nothing_and_ones_change_nothing():
    log = a_log(5)
    ones = torch.ones(len(log))
    plain, _ = trained_on(log, n_epochs=1)
    assert torch.equal(trained_on(log, weight=ones, n_epochs=1)[0].codes(), plain.codes())
    first = (torch.arange(len(log)) < 25).float()
    fast = TrainingSettings(batch_size=50, warmup_steps=0)
    codes = []
    for target, weight in ((torch.arange(50), first), (torch.arange(50), 3 * first)):
        network = a_network()
        index = EventIndex(log, network.scale_s, CPU)
        trainer = Trainer(network, index, target, fast, weight=weight)
        trainer.run_epoch()
        assert float(trainer._weight_sum) == float(weight.sum())
        codes.append(network.codes())
    torch.testing.assert_close(codes[0], codes[1], rtol=0, atol=1e-5)
    assert not torch.allclose(codes[0], plain.codes(), atol=1e-4)


@pytest.mark.parametrize("value", [-1.0, torch.inf, torch.nan, 0.0])
def test_weights_that_cannot_be_are_refused(value):
    log = a_log(5)
    with pytest.raises(SettingsError, match="weights of events from"):
        trained_on(log, weight=torch.full((len(log),), value))


def test_hard_negatives_with_all_items_are_refused():
    with pytest.raises(ValueError, match="n_past 3 and n_recent 0 with kind full"):
        LossSettings(n_past=3)


@pytest.mark.parametrize("n_past", [0, 3])
def test_later_events_change_no_weight_through_hard_negatives(n_past):
    log = a_log(6)
    later = log.item_row.copy()
    later[50:] = (later[50:] + 3) % N_ITEMS
    loss = LossSettings(kind="sampled", n_uniform=4, n_past=n_past, n_recent=3, smoothness=0.5)
    codes = []
    for item_row in (log.item_row, later):
        changed = type(log)(log.time_s, log.user_row, item_row, *_rest(log))
        codes.append(trained_on(changed, loss=loss, n_epochs=1)[0].codes())
    assert torch.equal(codes[0], codes[1])


def _rest(log):
    return log.weight, log.n_users, log.n_items
