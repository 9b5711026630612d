"""What is settled is only read: by questions, and by many threads that ask at once."""

import copy
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from graphrec.events.dataset import Dataset
from graphrec.events.world import WorldSettings, generate_world
from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.slates import NamedSlate
from graphrec.experiment.staged_settings import PipelineMethod
from graphrec.pipeline import Pipeline, Request
from graphrec.retrieval.blend import BlendedSource
from graphrec.retrieval.cowatch_neighbours import CoWatchNeighbourSource
from graphrec.retrieval.filters import ItemFilters
from graphrec.retrieval.named import NamedSource
from graphrec.retrieval.propagate import PropagateSource
from graphrec.retrieval.vector_source import VectorSource
from graphrec.retrieval.walks import RandomWalkSource
from graphrec.stages import CandidateSource, Eligibility, Interactions, Queries, Settling, Slate
from graphrec.tgn.settings import NetworkSettings, TrainingSettings
from graphrec.tgn.source import TemporalNetworkSource
from tests.contracts.deep_look import deep_look
from tests.contracts.sources import (
    END_S,
    N_ITEMS,
    N_USERS,
    SOURCES,
    SourceCase,
    a_log,
    all_queries,
    one_query,
)

N_THREADS = 5
METHOD = PipelineMethod.model_validate(
    {
        "sources": [
            {"source": {"method": name}}
            for name in ("walk", "neighbours", "own", "trending", "fresh", "propagate")
        ],
        "ranker": {"ranker": "lambdamart", "max_trees": 20, "n_leaves": 7, "early_stopping": 0},
        "staged": {
            "n_candidates": 60,
            "replayed": 0.2,
            "replay": {"n_candidates": 60, "n_lists": 150},
        },
    }
)
SLATE = NamedSlate.model_validate(
    {
        "diversity": "mmr",
        "similarity": {"vectors": 0, "publisher": 1, "keywords": 1},
        "exploration": {"method": "softmax"},
    }
)


def nested_source() -> BlendedSource:
    """Sources that are reached through others only."""
    walk = RandomWalkSource()
    network = TemporalNetworkSource(
        NetworkSettings(dim=16, hidden=16, heads=2, window=8, tokens=4),
        TrainingSettings(epochs=1, batch_size=64),
    )
    return BlendedSource(
        [
            NamedSource(PropagateSource(), "exact"),
            walk,
            CoWatchNeighbourSource(beside=walk),
            VectorSource(network),
        ]
    )


CASES = (*SOURCES, SourceCase("nested", nested_source))


@pytest.fixture(params=CASES, ids=lambda case: case.label)
def case(request: pytest.FixtureRequest) -> SourceCase:
    return request.param


@pytest.fixture
def often() -> Iterator[None]:
    """Threads take turns as often as the interpreter lets them."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def later_events() -> Interactions:
    """Events of new users and of new items."""
    log = a_log(7, n_events=40, n_users=N_USERS + 3, n_items=N_ITEMS + 2)
    return replace(log, time_s=log.time_s + END_S)


def lived(case: SourceCase) -> CandidateSource:
    """A source that was fitted, read, and has absorbed events since."""
    source = case.make()
    source.fit(a_log(1), END_S)
    source.retrieve(all_queries(a_log(1)), 3, Eligibility())
    source.absorb(later_events())
    return source


def settle(source: CandidateSource) -> None:
    if isinstance(source, Settling):
        source.settle()


def asked() -> list[Queries]:
    """Queries one by one, and all together at last."""
    queries = all_queries(later_events(), 2 * END_S)
    return [*(one_query(queries, query) for query in range(len(queries))), queries]


def answers(source: CandidateSource, queries: Queries) -> list[np.ndarray]:
    allowed = np.arange(N_ITEMS + 2) % 3 != 1
    found = [
        source.retrieve(queries, 6, Eligibility(seen, which))
        for seen, which in (("hide", None), ("allow", allowed), ("only_again", None))
    ]
    columns = ("item_row", "score", "reason_item", "reason_share")
    told = [getattr(one, column) for one in found for column in columns]
    return [*told, source.score(queries)]


def together(ask: Callable[[int], None]) -> None:
    """Let threads do the same at once; the first failure of one fails all."""
    gate, failures = threading.Barrier(N_THREADS), []

    def work(number: int) -> None:
        gate.wait()
        try:
            ask(number)
        except Exception as error:  # noqa: BLE001 — told by whoever waits for the threads
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_reading_what_is_settled_changes_nothing(case):
    source = lived(case)
    settle(source)
    before = deep_look(source)
    for queries in asked():
        answers(source, queries)
    assert deep_look(source) == before


def test_settling_changes_no_answer(case):
    settled, lazy = lived(case), lived(case)
    settle(settled)
    for queries in asked():
        for one, other in zip(answers(settled, queries), answers(lazy, queries), strict=True):
            np.testing.assert_array_equal(one, other)


def test_threads_that_ask_at_once_get_the_answers_that_one_gets(case, often):
    source = lived(case)
    alone = copy.deepcopy(source)
    every = asked()
    expected = [answers(alone, queries) for queries in every]
    settle(source)

    def ask(number: int) -> None:
        for query in np.random.default_rng(number).permutation(len(every))[:10]:
            told = answers(source, every[query])
            for one, other in zip(told, expected[query], strict=True):
                np.testing.assert_allclose(one, other, rtol=max(case.rounding, 1e-7), atol=1e-6)

    together(ask)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return generate_world(WorldSettings(name="small", n_events=3000, days=30, seed=5)).dataset


@pytest.fixture(scope="module")
def pipeline(dataset: Dataset) -> Pipeline:
    """A ranked and arranged pipeline that has learnt events of newcomers and of new items since."""
    log = dataset.log.interactions()
    cut_s = int(log.time_s[2000])
    found = fit_pipeline(dataset, METHOD, cut_s, SLATE)
    rest = log.take(log.time_s >= cut_s)
    found.absorb(rest)
    for name in found.streams:
        kind = dataset.log.type_index(name)
        one = dataset.log.take(dataset.log.edge_type == kind)
        found.absorb_stream(
            name,
            Interactions(
                one.time_s[-5:],
                one.source_row[-5:],
                one.target_row[-5:],
                one.weight[-5:],
                dataset.n_users,
                dataset.n_items,
            ),
        )
    n_users, n_items = dataset.n_users + 1, dataset.n_items + 1
    for ids, more in (("user", "somebody new"), ("item", "something new")):
        dataset.ids[ids].add(more)
    newest = int(rest.time_s[-1])
    found.absorb(
        Interactions(
            np.array([newest, newest + 1]),
            np.array([n_users - 1] * 2, np.int32),
            np.array([n_items - 1, 3], np.int32),
            np.ones(2, np.float32),
            n_users,
            n_items,
        )
    )
    found.settle()
    return found


def slate_of(pipeline: Pipeline, user: int) -> tuple[Slate, list]:
    filters = ItemFilters(max_age_days=20) if user % 3 == 1 else ItemFilters()
    queries = pipeline.queries_of(np.array([user], np.int32), pipeline.cut_s + 3600)
    slate = pipeline.recommend(queries, Request(8, "hide" if user % 2 else "allow", filters))
    past = pipeline.past(queries, 0, limit=5)
    return slate, [*pipeline.describe(slate, 0), *pipeline.describe(slate, 0, queries), *past]


def test_questions_to_a_settled_pipeline_change_nothing(pipeline):
    # What LightGBM explains by is made of its text when it is asked for first.
    slate_of(pipeline, 1)
    before = deep_look(pipeline)
    for user in range(-1, 20):
        slate_of(pipeline, user)
    after = deep_look(pipeline)
    assert [path for path in before if before[path] != after.get(path)] == []
    assert after.keys() == before.keys()


def test_threads_that_ask_a_settled_pipeline_get_the_slates_that_one_gets(pipeline, often):
    users = [-1, *range(12), pipeline.dataset.n_users]
    expected = {user: slate_of(pipeline, user) for user in users}

    def ask(number: int) -> None:
        for user in np.random.default_rng(number).permutation(users).tolist():
            (slate, told), (alone, told_alone) = slate_of(pipeline, user), expected[user]
            np.testing.assert_array_equal(slate.shown.item_row, alone.shown.item_row)
            np.testing.assert_array_equal(slate.shown.score, alone.shown.score)
            np.testing.assert_array_equal(slate.propensity, alone.propensity)
            # As text, since a missing feature is NaN, which equals nothing.
            assert (slate.notes, repr(told)) == (alone.notes, repr(told_alone))

    together(ask)
    everybody = pipeline.queries_of(np.array(users, np.int32))
    assert (everybody.history_item == pipeline.dataset.n_items).any()
