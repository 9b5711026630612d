"""The stages of a pipeline that lives in a simulated world, made of what the platform knows."""

from dataclasses import replace

import numpy as np
import polars as pl
from jaxtyping import Float32, Int32

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.events.log import EventLog
from graphrec.events.world.policy import ShownPages
from graphrec.experiment.loop_settings import LoopRetrieval, LoopSource
from graphrec.experiment.named_items import named_items_of
from graphrec.experiment.staging import names_of_items
from graphrec.pipeline.loop_lists import KnownWatches
from graphrec.pipeline.loop_outcomes import CatalogueColumns
from graphrec.ranking.features.builder import FeatureInputs
from graphrec.ranking.features.item_columns import Fit
from graphrec.ranking.features.name_features import NamesOfItems
from graphrec.ranking.features.stream_features import Rate
from graphrec.retrieval.blend import BlendedSource
from graphrec.retrieval.fresh import FreshSource
from graphrec.retrieval.own_items import OwnItemsSource
from graphrec.retrieval.popular import PopularSource
from graphrec.retrieval.trending import TrendingSource
from graphrec.retrieval.walks import RandomWalkSource
from graphrec.slate.facts import ItemFacts
from graphrec.stages import CandidateSource, Interactions

_RATES = (
    Rate("click", "clicked", "shown", 0.07),
    Rate("share", "watched", "watched", 0.5),
    Rate("like", "like", "watched", 0.03),
    Rate("report", "report", "watched", 0.005),
    Rate("rating", "rate", "rate", 3.0),
)
_PAGE_COLUMNS: dict[str, pl.DataType] = {
    "user_id": pl.String(),
    "time_s": pl.Int64(),
    "shown": pl.List(pl.String),
    "clicked": pl.List(pl.String),
    "propensity": pl.List(pl.Float32),
}
_PUBLISHER_RATES = tuple(rate for rate in _RATES if rate.name in ("click", "share", "report"))


def build_blend(settings: LoopRetrieval, dataset: Dataset) -> BlendedSource:
    """The sources that the settings name, as one; not yet fitted."""
    sources = [_source(name, settings, dataset) for name in settings.quotas]
    return BlendedSource(sources, tuple(settings.quotas.values()), settings.blend)


def _source(name: LoopSource, settings: LoopRetrieval, dataset: Dataset) -> CandidateSource:
    match name:
        case "walk":
            return RandomWalkSource(settings.graph, settings.walk)
        case "popular":
            return PopularSource(settings.popular)
        case "trending":
            return TrendingSource(settings.trending)
        case "fresh":
            return FreshSource(named_items_of(dataset), settings.fresh)
        case "own_items":
            return OwnItemsSource(settings.own_items)


def no_names(n_items: int) -> NamesOfItems:
    """Items without names."""
    return NamesOfItems(np.zeros(n_items + 1, np.int64), np.empty(0, np.int32), 0)


def loop_feature_inputs(
    dataset: Dataset, source_names: tuple[str, ...], streams: dict[str, Interactions]
) -> FeatureInputs:
    """What features are made of: sources, names, the catalogue, and what users answered.

    Args:
        dataset: The log and its tables.
        source_names: Sources whose scores are read.
        streams: As `streams_of` gives them, of the log that the features are fitted on.
    """
    names = names_of_items(dataset)
    for column in ("category", "series"):
        codes = codes_of(dataset.items, column)
        if (codes >= 0).any():
            names[column] = _one_name(codes)
    numbers = {
        "content_flag": _numbers(dataset.items, "content_flag"),
        "duration": np.log1p(_numbers(dataset.items, "duration_s")),
        "episode": _numbers(dataset.items, "episode"),
    }
    return FeatureInputs(
        source_names,
        names,
        dataset.given_published_s(),
        streams,
        _RATES,
        publisher_rates=_PUBLISHER_RATES,
        numbers=numbers,
        fits=_fits(dataset),
    )


def streams_of(
    pages: ShownPages, log: EventLog, items: CatalogueColumns
) -> dict[str, Interactions]:
    """What users were shown, clicked, watched to which share, and answered; each by time.

    Every event is dated when it was known: a watch at its end, a page when the user was through.
    """
    n_users, n_items = log.n_nodes.get("user", 0), len(items.duration_s)
    is_shown = pages.item_row != NO_ROW
    shown = {
        name: _by_time(
            np.broadcast_to(pages.end_s[:, None], which.shape)[which],
            np.broadcast_to(pages.user_row[:, None], which.shape)[which],
            pages.item_row[which],
            np.ones(int(which.sum()), np.float32),
            (n_users, n_items),
        )
        for name, which in (("shown", is_shown), ("clicked", pages.clicked & is_shown))
    }
    watches = known_watches(log, items)
    events = watches.events
    share = _by_time(
        watches.known_s, events.user_row, events.item_row, events.weight, (n_users, n_items)
    )
    answers = {}
    for name in ("like", "report", "rate"):
        chosen = log.take(log.edge_type == log.type_index(name))
        answers[name] = Interactions(
            chosen.time_s, chosen.source_row, chosen.target_row, chosen.weight, n_users, n_items
        )
    return {**shown, "watched": share, **answers}


def known_watches(log: EventLog, items: CatalogueColumns) -> KnownWatches:
    """The watches of a log by start, weighing their share, and when each was over."""
    events = log.interactions(names=("watch",), weighted=True)
    watched_s = np.rint(events.weight * items.duration_s[events.item_row]).astype(np.int64)
    return KnownWatches(events, events.time_s + watched_s)


def counted(events: Interactions) -> Interactions:
    """The same events, each counting 1."""
    return replace(events, weight=np.ones(len(events), np.float32))


def catalogue_columns(dataset: Dataset) -> CatalogueColumns:
    """Durations and the platform's own flags.

    Raises:
        DataError: Items have no durations.
    """
    items = dataset.items
    if "duration_s" not in items.columns:
        raise DataError("no duration_s of items — the share of a watch is no time without it")
    duration_s = items["duration_s"].fill_null(0).cast(pl.Int32).to_numpy().copy()
    flagged = np.zeros(len(items), np.bool_)
    if "content_flag" in items.columns:
        flagged = items["content_flag"].cast(pl.Boolean).fill_null(value=False).to_numpy().copy()
    return CatalogueColumns(duration_s, flagged)


def loop_facts(dataset: Dataset) -> ItemFacts:
    """What slates are arranged by: publishers, categories, keywords, flags.

    The vector of an item is its category, so that two of one category are alike and others not.
    """
    names, category = names_of_items(dataset), codes_of(dataset.items, "category")
    keywords = names.get("keyword", no_names(dataset.n_items))
    vectors = np.zeros((dataset.n_items, int(category.max(initial=-1)) + 1), np.float32)
    known = np.flatnonzero(category >= 0)
    vectors[known, category[known]] = 1.0
    return ItemFacts(
        dataset.n_items,
        vectors if len(known) else None,
        {
            "publisher": names.get("publisher", no_names(dataset.n_items)).first(),
            "category": category,
        },
        keywords.ptr,
        keywords.name_row,
        {"content_flag": catalogue_columns(dataset).flagged},
    )


def pages_of_table(dataset: Dataset) -> ShownPages:
    """The shown lists of a log as pages, by time; no page where it has none.

    When a user was through is not in the table: `end_s` is the time of asking.
    """
    table = dataset.impressions
    if table is None:
        table = pl.DataFrame(schema=_PAGE_COLUMNS)
    table = table.sort("time_s", maintain_order=True)
    width = int(table["shown"].list.len().to_numpy().max(initial=0))
    item = np.full((len(table), width), NO_ROW, np.int32)
    chance = np.zeros(item.shape, np.float32)
    is_shown = np.arange(width) < table["shown"].list.len().to_numpy()[:, None]
    item[is_shown] = _flat_rows(dataset, table["shown"])
    chance[is_shown] = table["propensity"].explode().drop_nulls().to_numpy()
    page = np.repeat(np.arange(len(table)), table["clicked"].list.len().to_numpy())
    clicked = page * np.int64(dataset.n_items) + _flat_rows(dataset, table["clicked"])
    is_clicked = np.isin(np.arange(len(table))[:, None] * np.int64(dataset.n_items) + item, clicked)
    time_s = table["time_s"].cast(pl.Int64).to_numpy().copy()
    user = dataset.ids["user"].rows(table["user_id"]).astype(np.int32)
    return ShownPages(user, time_s, time_s.copy(), item, chance, is_clicked & is_shown)


def _flat_rows(dataset: Dataset, lists: pl.Series) -> Int32[np.ndarray, " places"]:
    keys = lists.explode().drop_nulls()
    return dataset.ids["item"].rows(keys).astype(np.int32)


def codes_of(items: pl.DataFrame, column: str) -> Int32[np.ndarray, " items"]:
    """The values of a column as numbers from 0 up; -1 where there is none."""
    if column not in items.columns:
        return np.full(len(items), NO_ROW, np.int32)
    codes = items[column].cast(pl.String).rank("dense").cast(pl.Int64).fill_null(0)
    return (codes.to_numpy() - 1).astype(np.int32)


def _fits(dataset: Dataset) -> dict[str, Fit]:
    if "language" not in dataset.users.columns or "language" not in dataset.items.columns:
        return {}
    both = pl.concat([dataset.users.select("language"), dataset.items.select("language")])
    codes = codes_of(both, "language")
    return {"language": Fit(codes[: len(dataset.users)], codes[len(dataset.users) :])}


def _one_name(codes: Int32[np.ndarray, " items"]) -> NamesOfItems:
    ptr = np.concatenate([[0], np.cumsum(codes >= 0)]).astype(np.int64)
    return NamesOfItems(ptr, codes[codes >= 0], int(codes.max(initial=-1)) + 1)


def _numbers(items: pl.DataFrame, column: str) -> Float32[np.ndarray, " items"]:
    if column not in items.columns:
        return np.full(len(items), np.nan, np.float32)
    values = items[column].cast(pl.Float32).fill_null(float("nan"))
    return values.to_numpy().astype(np.float32)


def _by_time(
    time_s: np.ndarray, user: np.ndarray, item: np.ndarray, weight: np.ndarray, n: tuple[int, int]
) -> Interactions:
    order = np.argsort(time_s, kind="stable")
    time_s, user, item, weight = (x[order] for x in (time_s, user, item, weight))
    return Interactions(time_s, user, item, weight, *n)
