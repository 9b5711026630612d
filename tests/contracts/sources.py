"""Every candidate source, as the contract suite meets it: add a new source to `SOURCES`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from graphrec.events.history import HistoryIndex
from graphrec.pipeline.staged import StagedSettings, StagedSource
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.lambdamart import LambdaMARTSettings, train_lambdamart
from graphrec.retrieval.blend import BlendedSource, Quota
from graphrec.retrieval.cowatch_neighbours import CoWatchNeighbourSource, NeighbourSettings
from graphrec.retrieval.ease import EASESettings, EASESource
from graphrec.retrieval.fresh import FreshSettings, FreshSource, NamedItems
from graphrec.retrieval.history_weights import HistorySettings
from graphrec.retrieval.item_knn import ItemKNNSettings, ItemKNNSource
from graphrec.retrieval.last_items import LastItemsSettings, LastItemsSource
from graphrec.retrieval.own_items import OwnItemsSource
from graphrec.retrieval.popular import PopularSettings, PopularSource
from graphrec.retrieval.propagate import PropagateSource
from graphrec.retrieval.recent import RecentSource
from graphrec.retrieval.rp3beta import RP3betaSettings, RP3betaSource
from graphrec.retrieval.trending import TrendingSettings, TrendingSource
from graphrec.retrieval.user_knn import UserKNNSettings, UserKNNSource
from graphrec.retrieval.vector_index import VectorIndexSettings
from graphrec.retrieval.vector_source import VectorSource, VectorSourceSettings
from graphrec.retrieval.walk_settings import WalkSettings
from graphrec.retrieval.walks import RandomWalkSource
from graphrec.stages import CandidateSource, Interactions, Queries
from graphrec.tgn.settings import NetworkSettings, TrainingSettings
from graphrec.tgn.source import TemporalNetworkSource
from tests.retrieval.drawn_vectors import DrawnVectors

N_USERS, N_ITEMS, END_S = 14, 17, 40_000


@dataclass(frozen=True, slots=True)
class SourceCase:
    """A source under the suite.

    Attributes:
        label: Test id.
        make: A fresh source, knowing nothing.
        as_of: Whether an absorbed event at or after a query's time leaves its answer alone. A
            source without it relies on the protocols to absorb only what has happened.
        rounding: Share by which a score may differ between one query alone and many.
        by_place: Whether scores hang on places among what is allowed, so that `retrieve` agrees
            with `score` only where everything is.
        own_scale: Whether `retrieve` tells a model's own scores, whose order alone is `score`'s.
        needs_events: Whether a fit on nothing is refused, since there is nothing to train on.
    """

    label: str
    make: Callable[[], CandidateSource]
    as_of: bool = True
    rounding: float = 0.0
    by_place: bool = False
    own_scale: bool = False
    needs_events: bool = False


def staged_source() -> StagedSource:
    """Three sources and five small trees."""
    sources: list[CandidateSource] = [PopularSource(), LastItemsSource(), ItemKNNSource()]
    trees = LambdaMARTSettings(
        max_trees=5, n_leaves=4, min_rows_per_leaf=2, early_stopping=0, learning_rate=0.3
    )
    return StagedSource(
        BlendedSource(sources),
        FeatureBuilder(FeatureInputs(tuple(source.name for source in sources))),
        lambda early, late: train_lambdamart(early, late, trees),
        StagedSettings(replayed=0.4),
    )


def fresh_source() -> FreshSource:
    """Items of four publishers and five keywords, published one after the other."""
    rng = np.random.default_rng(5)
    n_keywords = np.arange(N_ITEMS) % 4
    items = NamedItems(
        np.arange(N_ITEMS, dtype=np.int64) // 2 * 900,
        (rng.integers(0, 5, N_ITEMS) - 1).astype(np.int32),
        np.append(0, np.cumsum(n_keywords)),
        np.concatenate([rng.permutation(5)[:n] for n in n_keywords]).astype(np.int32),
    )
    return FreshSource(items, FreshSettings(n_newest=4, half_life_days=0.1))


SOURCES = (
    # Walks that go on where a list falls short have more steps to score by than `score` has.
    SourceCase("walk", lambda: RandomWalkSource(walk=WalkSettings(overwalk=1)), as_of=False),
    SourceCase("propagate", PropagateSource, as_of=False),
    SourceCase("popular", PopularSource),
    SourceCase("popular in a window", lambda: PopularSource(PopularSettings(window_hours=3))),
    SourceCase("popular, decayed", lambda: PopularSource(PopularSettings(half_life_days=0.1))),
    SourceCase("recent", lambda: RecentSource(np.arange(N_ITEMS, dtype=np.int64) // 2 * 900)),
    SourceCase("edgebank", lambda: LastItemsSource(LastItemsSettings(mode="edgebank"))),
    SourceCase(
        "edgebank in a window",
        lambda: LastItemsSource(LastItemsSettings(mode="edgebank", window_share=0.3)),
    ),
    SourceCase("recency", lambda: LastItemsSource(LastItemsSettings(mode="recency"))),
    SourceCase("activation", LastItemsSource),
    SourceCase("item knn", ItemKNNSource),
    SourceCase(
        "item knn, tfidf",
        lambda: ItemKNNSource(ItemKNNSettings(weighting="tfidf", n_neighbors=3, shrinkage=1)),
    ),
    SourceCase(
        "item knn, bm25",
        lambda: ItemKNNSource(ItemKNNSettings(weighting="bm25", values="summed")),
    ),
    SourceCase(
        "item knn, refitted",
        lambda: ItemKNNSource(ItemKNNSettings(refit_every_events=1)),
        as_of=False,
    ),
    SourceCase("rp3beta", lambda: RP3betaSource(RP3betaSettings(n_neighbors=4))),
    SourceCase(
        "ease",
        lambda: EASESource(EASESettings(l2=5, history=HistorySettings(half_life_items=3))),
    ),
    SourceCase("user knn", lambda: UserKNNSource(UserKNNSettings(n_neighbors=4))),
    SourceCase(
        "user knn, refitted",
        lambda: UserKNNSource(UserKNNSettings(refit_every_events=2)),
        as_of=False,
    ),
    SourceCase(
        "temporal network",
        lambda: TemporalNetworkSource(
            NetworkSettings(dim=16, hidden=16, heads=2, window=8, tokens=4),
            TrainingSettings(epochs=1, batch_size=64),
        ),
        as_of=False,
        rounding=1e-5,
    ),
    SourceCase("neighbours", CoWatchNeighbourSource, as_of=False),
    SourceCase(
        "neighbours, by weight",
        lambda: CoWatchNeighbourSource(settings=NeighbourSettings(as_shares=False, max_items=3)),
        as_of=False,
    ),
    SourceCase("own items", OwnItemsSource),
    SourceCase("trending", TrendingSource, as_of=False),
    SourceCase(
        "trending, three listed",
        lambda: TrendingSource(TrendingSettings(half_life_days=0.05, n_listed=3)),
        as_of=False,
    ),
    SourceCase("fresh", fresh_source),
    SourceCase("vectors", lambda: VectorSource(DrawnVectors()), as_of=False),
    SourceCase(
        "vectors in lists",
        lambda: VectorSource(
            DrawnVectors(),
            VectorSourceSettings(
                index=VectorIndexSettings(exact_below=1, n_lists=2, target_recall=1.0, recall_at=17)
            ),
        ),
        as_of=False,
    ),
    SourceCase(
        "blend",
        lambda: BlendedSource(
            [PopularSource(), LastItemsSource(), ItemKNNSource()],
            [Quota(), Quota(weight=2), Quota(n=6)],
        ),
        by_place=True,
    ),
    SourceCase(
        "pipeline", staged_source, as_of=False, by_place=True, own_scale=True, needs_events=True
    ),
)


def a_log(
    seed: int, n_events: int = 150, n_users: int = N_USERS, n_items: int = N_ITEMS
) -> Interactions:
    """A sorted random log with ties in time, repeats, and an item and a user nobody ever meets."""
    rng = np.random.default_rng(seed)
    item = (rng.random(n_events) ** 1.7 * (n_items - 1)).astype(np.int32)
    return Interactions(
        np.sort(rng.integers(0, END_S // 20, n_events) * 20),
        rng.integers(0, n_users - 1, n_events).astype(np.int32),
        item,
        rng.choice(np.array([0.5, 1.0, 2.0], np.float32), n_events),
        n_users,
        n_items,
    )


def all_queries(log: Interactions, time_s: int = END_S) -> Queries:
    """One query of every user and of an anonymous one, as of `time_s`."""
    users = np.append(np.arange(log.n_users), -1).astype(np.int32)
    return HistoryIndex(log).queries(users, np.full(len(users), time_s))


def one_query(queries: Queries, query: int) -> Queries:
    """The query at `query`, alone."""
    past = queries.history(query)
    return Queries(
        queries.user_row[query : query + 1],
        queries.time_s[query : query + 1],
        np.array([0, past.stop - past.start], np.int64),
        queries.history_item[past],
        queries.history_time_s[past],
        queries.history_weight[past],
    )
