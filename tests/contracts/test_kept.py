"""What is copied or written down and made again answers and learns on as the original does.

Copies share nothing that changes: the engine's two states, and a state on disk, rest on that.
"""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest

from graphrec.events.dataset import Dataset
from graphrec.events.history import HistoryIndex
from graphrec.events.world import WorldSettings, generate_world
from graphrec.experiment.method_settings import SourceMethod
from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.slates import NamedSlate
from graphrec.experiment.sources import build_source, method_named
from graphrec.experiment.staged_settings import PipelineMethod
from graphrec.object_graph import flatten, rebuild
from graphrec.pipeline import Request
from graphrec.ranking.averaged import AveragedModel
from graphrec.retrieval.named import NamedSource
from graphrec.serving.learning import Learning
from graphrec.serving.state import LiveEvent, LiveState
from graphrec.stages import Candidates, CandidateSource, Eligibility, Interactions, Settling
from tests.contracts.arrangers import ARRANGERS, ArrangerCase, a_memory, some_counts
from tests.contracts.deep_look import deep_look
from tests.contracts.kept_parts import check_parts
from tests.contracts.rank_models import MODELS, lists_with_a_category
from tests.contracts.test_arranger import asked as asked_to_arrange

pytest.importorskip("lightgbm", reason="needs the extra rank")
pytest.importorskip("faiss", reason="needs the extra rank")

N_FITTED, N_BATCH, N_ASKED = 400, 25, 6
SMALL = {"dim": 16, "hidden": 16, "heads": 2, "window": 8, "tokens": 4}
TRAINING = {"epochs": 1, "batch_size": 256}
FULL = SMALL | {
    "memory_dim": 16,
    "memory_parts": ({"user_hours": 24, "item_hours": 72},),
    "neighbours": {"tokens": 2, "visits": 4, "reach": 2},
    "text": "ngrams",
    "text_buckets": 64,
    "text_dim": 8,
    "user_identities": True,
}
TOLD_MORE = SMALL | {
    "side_events": 4,
    "context_hours": 24,
    "state_layers": 1,
    "state_dim": 16,
}
LEARN_ON = {"every_events": 20, "batch_size": 16}
TREES = {"ranker": "lambdamart", "max_trees": 8, "n_leaves": 4, "early_stopping": 0}
HEADS = {
    "ranker": "multi_objective",
    "objectives": [{"name": "engagement"}],
    "hidden": (8,),
    "max_epochs": 2,
}


def a_pipeline(*sources: Mapping[str, Any], **values: object) -> dict[str, Any]:
    return {
        "sources": [{"source": source} for source in sources],
        "ranker": TREES,
        "staged": {
            "n_candidates": 40,
            "replayed": 0.3,
            "replay": {"n_candidates": 40, "n_lists": 30},
        },
    } | values


OWN_AND_POPULAR = ({"method": "own"}, {"method": "popular"})
TGN = {"method": "tgn", "network": SMALL, "training": TRAINING}

METHODS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("walk", "walk", {}),
    ("walk, thinned", "walk", {"graph": {"ageing": {"mode": "thinning"}}}),
    ("walk, halved", "walk", {"graph": {"ageing": {"mode": "half_life"}}}),
    ("propagate", "propagate", {}),
    ("popular", "popular", {}),
    ("popular in a window", "popular", {"window_days": 2}),
    ("popular, decayed", "popular", {"half_life_days": 2}),
    ("recent", "recent", {}),
    ("last items", "last_items", {}),
    ("edgebank", "last_items", {"mode": "edgebank"}),
    ("recency", "last_items", {"mode": "recency"}),
    ("item knn", "item_knn", {}),
    ("item knn, refitted", "item_knn", {"refit_every_events": 30}),
    ("rp3beta", "rp3beta", {"refit_every_events": 30}),
    ("ease", "ease", {"refit_every_events": 30}),
    ("user knn", "user_knn", {"refit_every_events": 30}),
    ("neighbours", "neighbours", {}),
    ("own", "own", {}),
    ("trending", "trending", {}),
    ("fresh", "fresh", {}),
    ("tgn, in full", "tgn", {"network": FULL, "training": TRAINING}),
    ("tgn, told more", "tgn", {"network": TOLD_MORE, "training": TRAINING}),
    (
        "tgn, learning on",
        "tgn",
        {"network": FULL, "training": TRAINING | {"learn_on": LEARN_ON}, "content": False},
    ),
    ("vectors", "vectors", {"tgn": TGN, "rebuild_every_events": 30}),
    (
        "vectors in lists",
        "vectors",
        {
            "tgn": {"method": "tgn", "network": FULL, "training": TRAINING},
            "index": {"exact_below": 1, "n_lists": 2, "max_waiting": 10},
        },
    ),
)
"""Every source that a file can name: its label, its method and settings that say the most."""

PIPELINES = {
    "trees": a_pipeline({"method": "walk"}, {"method": "fresh"}, TGN, *OWN_AND_POPULAR),
    "trees of two seeds": a_pipeline(*OWN_AND_POPULAR, n_models=2),
    "several objectives": a_pipeline(*OWN_AND_POPULAR, ranker=HEADS),
}
SLATE = NamedSlate.model_validate(
    {
        "rules": {"pins": [{"item": "video-0", "place": 2}]},
        "diversity": "mmr",
        "similarity": {"vectors": 1, "publisher": 1, "keywords": 1},
        "exploration": {"method": "thompson"},
        "quotas": [{"group": "publisher", "at_most": 2, "places": 5}],
    }
)


@dataclass(frozen=True, slots=True)
class Days:
    """A log that is learnt at first, and what arrives in three batches."""

    dataset: Dataset
    fitted: Interactions
    batches: tuple[Interactions, Interactions, Interactions]
    cut_s: int


@cache
def days() -> Days:
    """A small world; each batch brings a user and an item that nobody knew."""
    dataset = generate_world(WorldSettings(n_events=2000, days=20, seed=5)).dataset
    every = dataset.log.interactions()
    fitted, batches = every.take(slice(0, N_FITTED)), []
    for n in range(3):
        first = N_FITTED + n * N_BATCH
        batch = every.take(slice(first, first + N_BATCH))
        user, item = batch.user_row.copy(), batch.item_row.copy()
        user[-3:], item[-3:] = every.n_users + n, every.n_items + n
        grown = {"n_users": every.n_users + n + 1, "n_items": every.n_items + n + 1}
        batches.append(replace(batch, user_row=user, item_row=item, **grown))
    return Days(dataset, fitted, (batches[0], batches[1], batches[2]), int(batches[0].time_s[0]))


def learnt(*batches: Interactions) -> Interactions:
    """Everything so far in one."""
    parts = (days().fitted, *batches)
    columns = [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("time_s", "user_row", "item_row", "weight")
    ]
    return Interactions(*columns, parts[-1].n_users, parts[-1].n_items)


def copied(thing: Any) -> Any:
    return copy.deepcopy(thing)


def made_again(thing: Any) -> Any:
    flat = flatten(thing)
    return rebuild(replace(flat, nodes=json.loads(json.dumps(flat.nodes))))


WAYS: tuple[Callable[[Any], Any], ...] = (copied, made_again)


def columns_of(found: Candidates) -> list[np.ndarray]:
    names = ("item_row", "score", "source", "reason_item", "reason_share")
    columns = [getattr(found, name) for name in names]
    if found.evidence is not None:
        columns += [getattr(found.evidence, field.name) for field in fields(found.evidence)]
    return columns


def answers(source: CandidateSource, *batches: Interactions) -> list[np.ndarray]:
    """What a source says to some users, one by one and together."""
    events = learnt(*batches)
    rng = np.random.default_rng(0)
    users = np.append(rng.integers(0, events.n_users, N_ASKED), [events.n_users - 1, -1])
    queries = HistoryIndex(events).queries(
        users.astype(np.int32), np.full(len(users), events.time_s[-1] + 60)
    )
    alone = HistoryIndex(events).queries(users[-2:-1].astype(np.int32), queries.time_s[:1])
    said = [source.score(queries), *columns_of(source.retrieve(queries, 7, Eligibility()))]
    return said + columns_of(source.retrieve(alone, 7, Eligibility("allow")))


def assert_same(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def check_law(source: CandidateSource) -> None:
    """Copies of one that has lived learn on alike, each for itself."""
    first, second, third = days().batches
    source.absorb(first)
    if isinstance(source, Settling):
        source.settle()
    answers(source, first)
    flat = flatten(source)
    everyone = [source, rebuild(copied(flat)), copied(rebuild(flat)), made_again(copied(source))]
    before = answers(source, first)
    for one in everyone:
        assert_same(answers(one, first), before)
    for one in everyone:
        one.absorb(second)
    before = answers(source, first, second)
    for one in everyone:
        assert_same(answers(one, first, second), before)
    expected = None
    for n, one in enumerate(everyone):
        one.absorb(third)
        expected = expected or answers(one, first, second, third)
        for other in everyone[: n + 1]:
            assert_same(answers(other, first, second, third), expected)
        for other in everyone[n + 1 :]:
            assert_same(answers(other, first, second), before)


@pytest.mark.parametrize(("name", "values"), [m[1:] for m in METHODS], ids=[m[0] for m in METHODS])
def test_copies_of_a_source_learn_on_alike_and_each_for_itself(name, values):
    source = build_source(method_named(name, values), days().dataset)
    source.fit(days().fitted, days().cut_s)
    check_law(source)
    check_parts(source, days().dataset.log.interactions(), N_FITTED + 3 * N_BATCH)


@pytest.mark.parametrize("values", PIPELINES.values(), ids=PIPELINES)
def test_copies_of_a_pipeline_as_a_source_learn_on_alike_and_each_for_itself(values):
    source = build_source(PipelineMethod.model_validate(values), days().dataset)
    source.fit(days().fitted, days().cut_s)
    check_law(NamedSource(source, "of another name"))


def test_every_source_that_a_file_can_name_is_kept():
    named = {kind.model_fields["method"].default for kind in get_args(get_args(SourceMethod)[0])}
    assert {name for _, name, _ in METHODS} == named


def test_a_copied_pipeline_can_be_fitted_anew():
    method = PipelineMethod.model_validate(PIPELINES["trees of two seeds"])
    source = build_source(method, days().dataset)
    source.fit(days().fitted, days().cut_s)
    again = made_again(copied(source))
    again.fit(days().fitted, days().cut_s)
    assert_same(answers(again), answers(source))


@pytest.mark.parametrize("case", MODELS, ids=lambda case: case.label)
def test_a_kept_model_scores_and_explains_as_before(case):
    features = lists_with_a_category().features[:60]
    made = case.make()
    for model in (made, AveragedModel([made, made])):
        before = [model.score(features), model.contributions(features)]
        for way in WAYS:
            again = way(model)
            assert_same([again.score(features), again.contributions(features)], before)


# Others keep no memory.
WITH_MEMORY = [case for case in ARRANGERS if isinstance(case, ArrangerCase)]


@pytest.mark.parametrize("case", WITH_MEMORY, ids=lambda case: case.label)
def test_copies_of_an_arranger_follow_their_own_memory_and_counts(case):
    queries, found = asked_to_arrange()
    items = np.arange(6, dtype=np.int32)

    def slate_of(whole):
        slate = whole[0].arrange(queries, found, 7)
        drawn = np.zeros(0) if slate.propensity is None else slate.propensity
        return [*columns_of(slate.shown), drawn, np.array([str(d) for d in slate.decisions])]

    def learn(whole):
        for user in range(4):
            whole[1].absorb(user, int(queries.time_s.min()) - 10, items)
        whole[2].absorb(items, np.array([1.0, 0, 1, 0, 1, 1]))

    memory, counts = a_memory(), some_counts()
    first = [type(case.make())(case.facts, case.settings, memory=memory, counts=counts)]
    first += [memory, counts]
    everyone = [first, *(way(first) for way in WAYS)]
    before = slate_of(first)
    expected = None
    for n, one in enumerate(everyone):
        learn(one)
        expected = expected or slate_of(one)
        for other in everyone[: n + 1]:
            assert_same(slate_of(other), expected)
        for other in everyone[n + 1 :]:
            assert_same(slate_of(other), before)


@dataclass(frozen=True, slots=True)
class Entry:
    seq: int
    key: str
    time_s: int
    body: str
    kind: str = "event"


def live_events() -> list[LiveEvent]:
    """What happens after the log: users that nobody knew, then items, too, and one late event."""
    dataset = days().dataset
    end_s = int(dataset.log.time_s[-1])
    told = []
    for n in range(24):
        who = f"new {n % 3}" if n % 4 == 0 else f"user-{n % 5}"
        what = f"new {n % 2}" if n % 3 == 0 and n > 12 else f"video-{n * 7 % 23}"
        when = end_s + 60 * n - (100_000 if n == 15 else 0)
        told.append(LiveEvent(when, "watch", who, what))
    return told


def shown(state: LiveState) -> list[np.ndarray]:
    pipeline = state.pipeline
    everyone = pipeline.dataset.ids["user"].keys.to_list()
    users = [*everyone[:5], everyone[-1]]
    slate = pipeline.recommend(pipeline.queries_of_keys(users), Request(6, "allow"))
    drawn = np.zeros(0) if slate.propensity is None else slate.propensity
    return [*columns_of(slate.shown), drawn, np.array(slate.notes)]


def a_state(label: str) -> LiveState:
    """A live state that is no copy."""
    dataset = days().dataset
    if label == "tgn":
        method, slate = method_named("tgn", {"network": FULL, "training": TRAINING}), None
    else:
        method, slate = PipelineMethod.model_validate(PIPELINES[label]), SLATE
    return LiveState(fit_pipeline(dataset, method, days().cut_s, slate))


@pytest.mark.parametrize("label", ["tgn", *PIPELINES])
def test_copies_of_a_live_state_learn_on_alike_and_each_for_itself(label):
    events, state = live_events(), a_state(label)
    state.apply(events[:8])
    everyone = [state, *(way(state) for way in WAYS)]
    for one in everyone:
        settled = deep_look(one)
        assert_same(shown(one), shown(state))
        assert deep_look(one) == settled
    for one in everyone:
        one.apply(events[8:16])
    before = shown(state)
    for one in everyone:
        assert_same(shown(one), before)
        one.apply(events[16:])
        assert_same(shown(one), shown(state))


def test_both_sides_of_an_engine_with_a_temporal_network_show_the_same_slates():
    alone = a_state("tgn")
    learning = Learning(copied(alone))
    start = shown(alone)
    for seq, event in enumerate(live_events(), start=1):
        body = {"event_type": event.kind, "user_id": event.user_id, "item_id": event.item_id}
        learning.learn([Entry(seq, str(seq), event.time_s, json.dumps(body))])
        alone.apply([event])
        with learning.read() as front, learning.hold() as back:
            assert front is not back
            assert_same(shown(front), shown(alone))
            assert_same(shown(back), shown(alone))
    assert not learning.n_skipped
    assert any(not np.array_equal(x, y) for x, y in zip(start, shown(alone), strict=True))


def test_what_never_changes_is_not_copied():
    dataset = days().dataset
    model = MODELS[0].make()
    assert copied(dataset).log is dataset.log
    assert copied(dataset).ids["user"] is not dataset.ids["user"]
    assert copied([days().fitted])[0] is days().fitted and copied([model])[0] is model
