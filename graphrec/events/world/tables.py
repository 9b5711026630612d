"""The lived world as a data set: the log, its ids, and tables of items, users and pages."""

from typing import Final, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from jaxtyping import Float32, Int8, Int32, Int64, Shaped

from graphrec.arrays import DAY_S
from graphrec.events.dataset import Dataset
from graphrec.events.edges_of_items import edges_of_items
from graphrec.events.event_types import HAS_KEYWORD, PUBLISHED_BY
from graphrec.events.ids import IdMap
from graphrec.events.log import EdgeType, EventLog, NodeType
from graphrec.events.world.catalogue import Catalogue
from graphrec.events.world.people import People
from graphrec.events.world.settings import WorldSettings
from graphrec.events.world.trace import Trace
from graphrec.events.world.words import (
    AGE_BANDS,
    LANGUAGES,
    REGIONS,
    TOPICS,
    item_title,
    keyword_names,
    publisher_names,
    series_title,
)
from graphrec.kernels.world_response import WINDOW
from graphrec.kernels.world_scene import LIKED, REPORTED, WATCH

WORLD_EDGE_TYPES: Final = (
    EdgeType("watch", "user", "item", "positive"),
    EdgeType("like", "user", "item", "positive"),
    EdgeType("rate", "user", "item", "explicit"),
    EdgeType("report", "user", "item", "negative"),
    EdgeType("skip", "user", "item", "negative"),
    EdgeType("search", "user", "keyword", "search"),
    EdgeType("holds", "context", "context", "occurs"),
    PUBLISHED_BY,
    HAS_KEYWORD,
)
_WATCH, _LIKE, _RATE, _REPORT, _SKIP, _SEARCH, _HOLDS = range(7)


def _keyed(prefix: str, n: int) -> pl.Series:
    return pl.Series(np.arange(n)).cast(pl.String).str.replace("^", f"{prefix}-")


def make_ids(settings: WorldSettings, catalogue: Catalogue, n_users: int) -> dict[NodeType, IdMap]:
    """Readable ids of everything, in row order."""
    n_topics = len(catalogue.topics.first) - 1
    keywords = keyword_names(catalogue.keywords.topic.tolist(), n_topics)
    names: dict[NodeType, pl.Series] = {
        "user": _keyed("user", n_users),
        "item": _keyed("video", len(catalogue.series)),
        "publisher": pl.Series(publisher_names(len(catalogue.publisher_quality))),
        "keyword": pl.Series(keywords),
    }
    if settings.contexts:
        names["context"] = pl.Series([context.name for context in settings.contexts])
    return {node: IdMap(keys, what=node) for node, keys in names.items()}


def item_table(catalogue: Catalogue, ids: dict[NodeType, IdMap]) -> pl.DataFrame:
    """What the platform knows of its items: nothing of quality, appeal or the truth of a flag."""
    records, keywords = catalogue.items, catalogue.keywords
    n = len(records)
    topic = records["topic"]
    series_names = _series_names(catalogue, topic)
    episode = catalogue.episode
    titles = [
        f"{series_names[s]}: Episode {e}" if s >= 0 else item_title(t, d, clickbait=bait)
        for s, e, t, d, bait in zip(
            catalogue.series.tolist(),
            episode.tolist(),
            topic.tolist(),
            catalogue.title_draw.tolist(),
            records["clickbait"].tolist(),
            strict=True,
        )
    ]
    ptr = np.searchsorted(keywords.item_row, np.arange(n + 1)).astype(np.int64)
    publisher = ids["publisher"].keys.gather(records["publisher"])
    return pl.DataFrame(
        {
            "item_id": ids["item"].keys,
            "title": titles,
            "publisher": _lists(publisher, np.arange(n + 1, dtype=np.int64)),
            "keywords": _lists(ids["keyword"].keys.gather(keywords.keyword_row), ptr),
            "published_s": records["published_s"].copy(),
            "duration_s": records["duration_s"].copy(),
            "category": pl.Series(list(TOPICS)).gather(topic),
            "language": pl.Series(LANGUAGES).gather(records["language"]),
            "series": [series_names[s] if s >= 0 else None for s in catalogue.series.tolist()],
            "episode": pl.Series(episode, dtype=pl.Int32).replace(0, None),
            "content_flag": catalogue.flagged,
        }
    )


def user_table(people: People, ids: dict[NodeType, IdMap]) -> pl.DataFrame:
    """What the platform knows of its users: nothing of their interests."""
    return pl.DataFrame(
        {
            "user_id": ids["user"].keys,
            "signup_s": people.signup_s,
            "language": pl.Series(LANGUAGES).gather(people.records["language"]),
            "region": pl.Series(REGIONS).gather(people.region),
            "age_band": pl.Series(AGE_BANDS).gather(people.age_band),
        }
    )


def context_windows(settings: WorldSettings) -> Shaped[np.ndarray, " windows"]:
    """When contexts hold inside the period, as records of `WINDOW`."""
    period_s = settings.days * DAY_S
    topics = list(TOPICS)
    rows = []
    for index, context in enumerate(settings.contexts):
        at = round(context.first_day * settings.days) * DAY_S
        again = period_s if context.every_days is None else int(context.every_days * DAY_S)
        for start in range(at, period_s, again):
            end = min(start + int(context.length_days * DAY_S), period_s)
            where = (settings.start_s + start, settings.start_s + end)
            rows.append((*where, topics.index(context.topic), index, context.boost))
    return np.array(rows, WINDOW)


def context_events(
    windows: Shaped[np.ndarray, " windows"],
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Times and contexts of their events: at the start of each window, then daily in it."""
    spans = [range(start, end, DAY_S) for start, end in windows[["start_s", "end_s"]].tolist()]
    time_s = np.array([time_s for span in spans for time_s in span], np.int64)
    context = np.repeat(windows["context"].astype(np.int64), [len(span) for span in spans])
    order = np.argsort(time_s, kind="stable")
    return time_s[order], context[order]


def make_dataset(
    settings: WorldSettings,
    catalogue: Catalogue,
    people: People,
    ids: dict[NodeType, IdMap],
    trace: Trace,
) -> Dataset:
    """Put the log and the tables together, and end the log at the `n_events`-th event."""
    items = item_table(catalogue, ids)
    rows = _Rows()
    published_s = items["published_s"].to_numpy()
    _, edges = edges_of_items(
        items, published_s, WORLD_EDGE_TYPES, declared=True, given=frozenset()
    )
    names = np.empty(len(edges), np.int32)
    for node, kind in (("publisher", PUBLISHED_BY), ("keyword", HAS_KEYWORD)):
        mine = edges.kind == WORLD_EDGE_TYPES.index(kind)
        names[mine] = ids[node].rows(edges.name.filter(mine))  # type: ignore[index]
    rows.add(edges.time_s, edges.kind, edges.item_row, names)
    held_s, context = context_events(context_windows(settings))
    rows.add(held_s, _HOLDS, context, context)
    for part in act_rows(trace, catalogue.items["duration_s"]):
        rows.add(*part[:-1])
    if settings.skip_events:
        _add_skips(rows, trace)
    end_s = settings.start_s + settings.days * DAY_S
    n_nodes: dict[NodeType, int] = {node: len(keys) for node, keys in ids.items()}
    log = rows.log(end_s, n_nodes, settings.n_events)
    pages = page_table(trace, ids, int(log.time_s[-1]))
    return Dataset(settings.name, log, ids, items, user_table(people, ids), pages)


def page_table(trace: Trace, ids: dict[NodeType, IdMap], end_s: int) -> pl.DataFrame:
    """The shown lists, by time.

    Args:
        trace: What was shown.
        ids: Ids of users and items.
        end_s: Pages that a user was not through with by then are left out, UTC seconds.

    Returns:
        `user_id`, `time_s`, `shown` and `clicked` (item ids by place), `propensity` (of each item
        at its place, given those above it), and `policy`.
    """
    kept = np.flatnonzero(trace.pages["end_s"] <= end_s)
    kept = kept[np.argsort(trace.pages["time_s"][kept], kind="stable")]
    pages, item, chance = trace.pages[kept], trace.shown[kept], trace.chance[kept]
    place = np.arange(item.shape[1])
    is_shown = place < pages["n_shown"][:, None]
    is_clicked = is_shown & ((pages["clicked"][:, None] >> place) & 1 == 1)
    shown_ptr = np.concatenate([[0], np.cumsum(is_shown.sum(axis=1))]).astype(np.int64)
    clicked_ptr = np.concatenate([[0], np.cumsum(is_clicked.sum(axis=1))]).astype(np.int64)
    keys = ids["item"].keys
    return pl.DataFrame(
        {
            "user_id": ids["user"].keys.gather(trace.viewer[kept]),
            "time_s": pages["time_s"].copy(),
            "shown": _lists(keys.gather(item[is_shown]), shown_ptr),
            "clicked": _lists(keys.gather(item[is_clicked]), clicked_ptr),
            "propensity": _lists(pl.Series(chance[is_shown]), shown_ptr),
            "policy": pl.repeat("mixture", len(kept), eager=True),
        }
    )


class _Rows:
    """Rows of the log to be, block by block; blocks added first stand first in a second."""

    def __init__(self) -> None:
        self._blocks: list[tuple[np.ndarray, ...]] = []

    def add(
        self,
        time_s: np.ndarray,
        kind: np.ndarray | int,
        source: np.ndarray,
        target: np.ndarray,
        weight: np.ndarray | float = 1.0,
    ) -> None:
        n = len(time_s)
        self._blocks.append(
            (
                time_s,
                np.broadcast_to(np.asarray(kind, np.int8), (n,)),
                source.astype(np.int32),
                target.astype(np.int32),
                np.broadcast_to(np.asarray(weight, np.float32), (n,)),
            )
        )

    def log(self, end_s: int, n_nodes: dict[NodeType, int], n_events: int) -> EventLog:
        time_s, *others = (np.concatenate(parts) for parts in zip(*self._blocks, strict=True))
        self._blocks.clear()
        order = np.argsort(time_s, kind="stable")
        order = order[: min(int(np.count_nonzero(time_s < end_s)), n_events)]
        kind, source, target, weight = (column[order] for column in others)
        return EventLog(time_s[order], kind, source, target, weight, WORLD_EDGE_TYPES, n_nodes)


class ActRows(NamedTuple):
    """Rows of the log that acts make, and when each is known: a watch is once it is over."""

    time_s: Int64[np.ndarray, " acts"]
    edge_type: Int8[np.ndarray, " acts"]
    source_row: Int32[np.ndarray, " acts"]
    target_row: Int32[np.ndarray, " acts"]
    weight: Float32[np.ndarray, " acts"]
    known_s: Int64[np.ndarray, " acts"]


def act_rows(trace: Trace, duration_s: Int32[np.ndarray, " items"]) -> list[ActRows]:
    """Searches, watches, likes, reports and ratings, each in the order they were lived."""
    is_watch = trace.acts["kind"] == WATCH
    searches = trace.acts[~is_watch]
    time_s, target = searches["time_s"], searches["target"]
    parts = [_act_rows(time_s, _SEARCH, trace.actor[~is_watch], target, 1.0, time_s)]
    acts, user = trace.acts[is_watch], trace.actor[is_watch]
    item, watched_s = acts["target"], acts["watched_s"]
    # The next act comes six seconds after the end of a watch or later: answers fit between.
    end_s = acts["time_s"] + watched_s
    share = watched_s / duration_s[item]
    parts.append(_act_rows(acts["time_s"], _WATCH, user, item, share, end_s))
    for bit, kind, delay_s in ((LIKED, _LIKE, 1), (REPORTED, _REPORT, 2)):
        said = (acts["answer"] & bit) > 0
        at_s = end_s[said] + delay_s
        parts.append(_act_rows(at_s, kind, user[said], item[said], 1.0, at_s))
    rated = acts["rating"] > 0
    at_s = end_s[rated] + 3
    parts.append(_act_rows(at_s, _RATE, user[rated], item[rated], acts["rating"][rated], at_s))
    return parts


def _act_rows(
    time_s: np.ndarray,
    kind: int,
    source: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | float,
    known_s: np.ndarray,
) -> ActRows:
    n = len(time_s)
    return ActRows(
        np.ascontiguousarray(time_s),
        np.full(n, kind, np.int8),
        source.astype(np.int32),
        target.astype(np.int32),
        np.broadcast_to(np.asarray(weight, np.float32), (n,)),
        known_s,
    )


def _add_skips(rows: _Rows, trace: Trace) -> None:
    page, place = np.nonzero(trace.skipped())
    time_s = trace.pages["time_s"][page]
    rows.add(time_s, _SKIP, trace.viewer[page], trace.shown[page, place])


def _series_names(catalogue: Catalogue, topic: np.ndarray) -> list[str]:
    """A different name for each series, from its first item's words."""
    n = int(catalogue.series.max(initial=-1)) + 1
    first = np.zeros(n, np.int64)
    firsts = np.flatnonzero(catalogue.episode == 1)
    first[catalogue.series[firsts]] = firsts
    seen: dict[str, int] = {}
    names = []
    for t, draw in zip(topic[first].tolist(), catalogue.title_draw[first].tolist(), strict=True):
        name = series_title(t, draw)
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}, Season {seen[name]}")
    return names


def _lists(values: pl.Series, ptr: Int64[np.ndarray, " bounds"]) -> pl.Series:
    """Row i is `values[ptr[i]:ptr[i + 1]]`."""
    flat = values.to_arrow()
    lists = pa.LargeListArray.from_arrays(pa.array(ptr, pa.int64()), flat)
    return pl.Series(pl.from_arrow(lists))
