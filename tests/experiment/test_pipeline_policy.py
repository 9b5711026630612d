"""The whole pipeline as a policy: it lives by what it is told, repeats itself, and degrades."""

from dataclasses import replace

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.events.world import WorldSettings
from graphrec.events.world.closed_loop import LoopSettings, live_loop, open_world
from graphrec.events.world.policy import Policy
from graphrec.experiment.loop_settings import (
    LoopLearning,
    LoopRetrieval,
    LoopWatchNext,
    PipelineChoice,
)
from graphrec.experiment.policies import build_policy
from graphrec.pipeline.loop_lists import ShownReplaySettings
from graphrec.ranking.multi_objective_settings import MultiObjectiveSettings
from graphrec.ranking.objectives import ObjectiveWeights
from graphrec.slate.demotion import DemotionSettings
from graphrec.slate.exploration import ExplorationSettings
from graphrec.slate.settings import SlateSettings
from graphrec.slate.similarity import SimilaritySettings

WORLD = WorldSettings(n_events=2_500, days=20, seed=9)
LEARNING = LoopLearning(
    replay=ShownReplaySettings(days=8, n_lists=400, n_candidates=30, block_minutes=1440),
    heads=MultiObjectiveSettings(position_bias=True, hidden=(16,), head_width=8, max_epochs=3),
    least_clicks=10,
)
WEIGHTS = ObjectiveWeights(
    weights={"engagement": -0.4, "satisfaction": 1.0, "responsibility": 0.5},
    given={"satisfaction": "engagement"},
    after_weight=0.1,
)
SLATE = SlateSettings(
    demotion=DemotionSettings(),
    diversity="mmr",
    similarity=SimilaritySettings(publisher=0.5, keywords=1.0),
    exploration=ExplorationSettings(method="epsilon", epsilon=0.2),
)
CHOICE = PipelineChoice(
    retrieval=LoopRetrieval(n_candidates=40),
    learning=LEARNING,
    weights=WEIGHTS,
    watch_next=LoopWatchNext(),
    n_arranged=20,
    slate=SLATE,
)
SPANS = LoopSettings(span_minutes=1440)


@pytest.fixture(scope="module")
def opening():
    return open_world(WORLD, 14)


class Recorder:
    """A policy with all that it was told and asked, in order."""

    def __init__(self, policy):
        self.policy, self.calls = policy, []

    def fit(self, dataset, cut_s):
        self.policy.fit(dataset, cut_s)

    def absorb(self, events, pages):
        self.calls.append(("absorb", (events, pages), None))
        self.policy.absorb(events, pages)

    def recommend(self, requests):
        pages = self.policy.recommend(requests)
        self.calls.append(("recommend", (requests,), pages))
        return pages


def lived(opening, choice, days=2, shelf=None):
    policy = Recorder(build_policy(choice, WORLD.seed, shelf))
    policy.fit(opening.dataset, opening.cut_s)
    return policy, live_loop(opening, policy, days, SPANS)


@pytest.fixture(scope="module")
def whole(opening):
    return lived(opening, CHOICE)


def test_it_fills_pages_of_what_is_out_and_tells_the_chance_of_every_draw(whole):
    policy, life = whole
    assert isinstance(policy.policy, Policy) and policy.policy.notes == ()
    chances = life.trace.chance[life.trace.shown >= 0]
    n_drawn = 0
    for name, given, pages in policy.calls:
        if name == "recommend":
            assert given[0].available[pages.item_row[pages.item_row >= 0]].all()
            n_drawn += int((pages.item_row >= 0).sum())
    assert n_drawn > 500 and (life.trace.pages["n_shown"] == 10).mean() > 0.95
    # The best is shown with 0.8 and its even part of 0.2, any other with such a part.
    best = chances > 0.8
    assert 0.7 < best.mean() < 0.95
    assert ((chances[~best] > 0.2 / 21) & (chances[~best] < 0.2 / 2)).all()


def test_its_pages_follow_from_what_it_was_told_alone(opening, whole):
    """Told and asked the same without a world behind it, it answers the same."""
    recorded, _ = whole
    data = opening.dataset
    known = Dataset(data.name, data.log, data.ids, data.items, data.users, data.impressions)
    assert not {"quality", "appeal", "niche", "bad", "clickbait"} & set(known.items.columns)
    other = build_policy(CHOICE, WORLD.seed)
    other.fit(known, opening.cut_s)
    for name, given, pages in recorded.calls:
        if name == "absorb":
            other.absorb(*given)
            continue
        again = other.recommend(*given)
        np.testing.assert_array_equal(again.item_row, pages.item_row)
        np.testing.assert_array_equal(again.propensity, pages.propensity)


def test_policies_that_learn_alike_share_what_was_learnt(opening):
    shelf = {}

    def fitted(choice):
        build_policy(choice, WORLD.seed, shelf).fit(opening.dataset, opening.cut_s)
        return list(shelf.values())

    trained = fitted(CHOICE)
    engaged = CHOICE.model_copy(update={"weights": ObjectiveWeights(), "watch_next": None})
    assert len(trained) == 1 and fitted(engaged)[0] is trained[0] and len(shelf) == 1
    other = LEARNING.model_copy(update={"calibration": None})
    assert len(fitted(CHOICE.model_copy(update={"learning": other}))) == 2


def test_without_shown_pages_it_shows_what_was_retrieved_and_says_so(opening):
    blind = replace(opening.dataset, impressions=None)
    policy = build_policy(CHOICE, WORLD.seed)
    policy.fit(blind, opening.cut_s)
    assert "candidates are shown as they were retrieved" in policy.notes[0]
    life = live_loop(opening, policy, 1, SPANS)
    assert (life.trace.pages["n_shown"] == 10).mean() > 0.95


def test_it_learns_again_from_its_own_pages_when_that_is_due(opening):
    choice = CHOICE.model_copy(update={"retrain_days": 1})
    shelf = {}
    policy, _ = lived(opening, choice, 3, shelf)
    kept, _ = lived(opening, CHOICE, 3, shelf)
    ours = [pages.item_row for name, _, pages in policy.calls if name == "recommend"]
    theirs = [pages.item_row for name, _, pages in kept.calls if name == "recommend"]
    same = [np.array_equal(one, two) for one, two in zip(ours, theirs, strict=False)]
    assert same[0] and not all(same)


def test_it_is_not_told_anything_before_it_is_fitted(whole):
    told = next(given for name, given, _ in whole[0].calls if name == "absorb")
    with pytest.raises(DataError, match="fit it first"):
        build_policy(CHOICE, 1).absorb(*told)
