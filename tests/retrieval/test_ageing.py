"""Time that passes without events: sources answer as those that learn the same anew by then."""

from dataclasses import replace

import numpy as np
import pytest

from graphrec.events.history import HistoryIndex
from graphrec.graph.ageing import AgeingSettings
from graphrec.graph.settings import CoWatchSettings
from graphrec.retrieval.blend import BlendedSource
from graphrec.retrieval.cowatch_neighbours import CoWatchNeighbourSource, NeighbourSettings
from graphrec.retrieval.named import NamedSource
from graphrec.retrieval.propagate import PropagateSource
from graphrec.retrieval.walks import RandomWalkSource
from graphrec.stages import Ageing, CandidateSource, Interactions, Queries, Settling

DAY_S = 86_400
N_USERS, N_ITEMS = 30, 25
AGEING = {
    "expected": AgeingSettings(mode="expected", period_days=2, survival=0.4),
    "thinning": AgeingSettings(mode="thinning", period_days=2, survival=0.4, seed=3),
    "half_life": AgeingSettings(mode="half_life", half_life_days=1.5),
}


def made(kind: str, mode: str) -> CandidateSource:
    graph = CoWatchSettings(ageing=AGEING[mode])
    match kind:
        case "walk":
            return RandomWalkSource(graph)
        case "propagate":
            return PropagateSource(graph)
        case "neighbours":
            return CoWatchNeighbourSource(graph)
        case "neighbours by weight":
            return CoWatchNeighbourSource(graph, NeighbourSettings(as_shares=False))
    walk = RandomWalkSource(graph)
    near = CoWatchNeighbourSource(beside=walk)
    return NamedSource(
        BlendedSource([walk, near, NamedSource(PropagateSource(graph), "exact")]), "x"
    )


def a_log() -> Interactions:
    rng = np.random.default_rng(4)
    n = 400
    return Interactions(
        np.sort(rng.integers(100 * DAY_S, 106 * DAY_S, n)),
        rng.integers(0, N_USERS, n).astype(np.int32),
        (rng.random(n) ** 2 * N_ITEMS).astype(np.int32),
        np.ones(n, np.float32),
        N_USERS,
        N_ITEMS,
    )


def queries_at(time_s: int) -> Queries:
    users = np.arange(N_USERS, dtype=np.int32)
    return HistoryIndex(a_log()).queries(users, np.full(N_USERS, time_s))


@pytest.mark.parametrize("mode", AGEING)
@pytest.mark.parametrize(
    "kind", ["walk", "propagate", "neighbours", "neighbours by weight", "nested"]
)
def test_a_source_that_aged_answers_as_one_that_learns_the_same_then(kind, mode):
    log = a_log()
    # Three days after the last event: half of the edges have turned another two days old.
    now_s = 108 * DAY_S + 50_000
    live, anew, still = (made(kind, mode) for _ in range(3))
    early_s = int(log.time_s[250])
    for source in (live, still):
        source.fit(log.take(log.time_s < early_s), early_s)
        source.absorb(log.take(log.time_s >= early_s))
    assert isinstance(live, Ageing)
    for moment_s in range(106 * DAY_S, now_s + 1, 10_000):
        live.advance(moment_s)
        if isinstance(live, Settling):
            live.settle()
    live.advance(now_s)
    anew.fit(log, now_s)
    queries = queries_at(now_s)
    expected = anew.score(queries)
    # Under a half-life all edges of a node fade alike, so that only bare weights tell of it.
    fades = mode != "half_life" or kind == "neighbours by weight"
    assert fades != np.allclose(still.score(queries), expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(live.score(queries), expected, rtol=1e-4, atol=1e-7)


def test_an_event_after_time_has_passed_weighs_as_of_the_later_of_both():
    log = a_log()
    now_s = 109 * DAY_S
    live, anew = made("propagate", "expected"), made("propagate", "expected")
    late = replace(log.take(slice(390, 400)), time_s=np.full(10, now_s - 5 * DAY_S))
    live.fit(log.take(slice(0, 390)), int(log.time_s[390]) + 1)
    live.advance(now_s)
    live.absorb(late)
    whole = Interactions(
        *(
            np.concatenate([getattr(log.take(slice(0, 390)), name), getattr(late, name)])
            for name in ("time_s", "user_row", "item_row", "weight")
        ),
        N_USERS,
        N_ITEMS,
    )
    anew.fit(whole.take(np.argsort(whole.time_s, kind="stable")), now_s)
    queries = queries_at(now_s)
    np.testing.assert_allclose(live.score(queries), anew.score(queries), rtol=1e-5)
