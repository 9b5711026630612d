"""Retrieve, rank, arrange: one path for evaluation, commands and the service."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Int32

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.events.history import HistoryIndex
from graphrec.events.ids import Key
from graphrec.retrieval.filters import ItemFilters, allowed_items
from graphrec.stages import (
    Candidates,
    CandidateSource,
    Eligibility,
    Interactions,
    Queries,
    SeenPolicy,
    Slate,
)

BATCH_USERS = 1024


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One place of a slate in the caller's words.

    Attributes:
        item_id: The item.
        title: Its title, or its id where it has none.
        score: Higher is better; comparable within one source only.
        source: The source that found it.
        because_id: The past item that brought it, or None.
        because_title: That item's title, or None.
        because_share: That item's share of the score, in [0, 1].
    """

    item_id: Key
    title: str
    score: float
    source: str
    because_id: Key | None
    because_title: str | None
    because_share: float


@dataclass(frozen=True, slots=True)
class Watched:
    """An item of a history in the caller's words."""

    item_id: Key
    title: str


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller may ask of a slate.

    Attributes:
        k: Places to fill.
        seen: What happens to items in the history.
        filters: Rules the items have to meet.
    """

    k: int = 10
    seen: SeenPolicy = "hide"
    filters: ItemFilters = field(default_factory=ItemFilters)


class Pipeline:
    """Answers requests from what was known at a cut.

    A slate that a source cannot fill is topped up from a fallback source, and says so.
    """

    def __init__(
        self,
        dataset: Dataset,
        source: CandidateSource,
        *,
        fallback: CandidateSource | None = None,
        cut_s: int | None = None,
        events: Interactions | None = None,
    ) -> None:
        """Hold sources that are fitted on the events before `cut_s`.

        Args:
            dataset: The log, ids and tables.
            source: Finds the candidates.
            fallback: Fills what the source leaves open.
            cut_s: Now, UTC seconds; by default just after the log's last event.
            events: What counts as a watch; by default the log's positive and explicit events.
        """
        last_s = int(dataset.log.time_s[-1]) if len(dataset.log) else 0
        self.cut_s = last_s + 1 if cut_s is None else cut_s
        self.dataset = dataset
        self._source = source
        self._fallback = fallback
        watched = dataset.log.interactions() if events is None else events
        self._history = HistoryIndex(watched)

    def queries_of(self, user_row: Int32[np.ndarray, " users"]) -> Queries:
        """The queries of users now, with all they watched before."""
        times = np.full(len(user_row), self.cut_s, dtype=np.int64)
        return self._history.queries(user_row, times)

    def queries_of_keys(self, user_ids: Sequence[Key]) -> Queries:
        """The queries of users named by their ids.

        Raises:
            UnknownIdError: A user is not in the log.
        """
        ids = self.dataset.ids["user"]
        return self.queries_of(np.array([ids.row(key) for key in user_ids], dtype=np.int32))

    def queries_of_session(self, item_ids: Sequence[Key]) -> Queries:
        """The query of an anonymous visitor who watched `item_ids`, newest first.

        Raises:
            UnknownIdError: An item is not in the log.
        """
        ids = self.dataset.ids["item"]
        rows = np.array([ids.row(key) for key in item_ids], dtype=np.int32)
        return Queries.of_sessions([rows], self.cut_s)

    def recommend(self, queries: Queries, request: Request) -> Slate:
        """The slate of each query.

        Args:
            queries: Who asks, and what they watched.
            request: How many items, and which.

        Returns:
            `request.k` items for each query, fewer where too few are eligible (padded with -1).

        Raises:
            UnknownIdError: A filter names an unknown item.
            DataError: A filter names an unknown publisher or keyword.
        """
        allowed = allowed_items(self.dataset, request.filters, self.cut_s)
        eligibility = Eligibility(request.seen, allowed)
        found = self._source.retrieve(queries, request.k, eligibility)
        n_open = int((found.item_row == NO_ROW).any(axis=1).sum())
        if not n_open or self._fallback is None:
            return Slate(found)
        extra = self._fallback.retrieve(queries, 2 * request.k, eligibility)
        note = f"{n_open} slate(s) topped up from {self._fallback.name}"
        return Slate(_top_up(found, extra), (note,))

    def describe(self, slate: Slate, query: int) -> list[Recommendation]:
        """One query's slate with ids, titles and reasons."""
        shown = slate.shown
        item_ids = self.dataset.ids["item"]
        described = []
        for place in np.flatnonzero(shown.item_row[query] != NO_ROW):
            row = int(shown.item_row[query, place])
            reason = int(shown.reason_item[query, place])
            described.append(
                Recommendation(
                    item_ids.key(row),
                    self.dataset.title(row),
                    float(shown.score[query, place]),
                    shown.source_names[shown.source[query, place]],
                    None if reason == NO_ROW else item_ids.key(reason),
                    None if reason == NO_ROW else self.dataset.title(reason),
                    float(shown.reason_share[query, place]),
                )
            )
        return described

    def past(self, queries: Queries, query: int, *, limit: int) -> list[Watched]:
        """The newest `limit` items of one query's history, newest first."""
        ids = self.dataset.ids["item"]
        rows = queries.history_item[queries.history(query)][:limit].tolist()
        return [Watched(ids.key(row), self.dataset.title(row)) for row in rows]

    def write_all(
        self, request: Request, path: Path, progress: Callable[[int], None] | None = None
    ) -> int:
        """Write the slates of every user as one Parquet file, beside it first and then renamed.

        Columns: `user_id`, `rank` (1-based), `item_id`, `score`, `source`, `because_item_id`,
        `because_share`.

        Args:
            request: How many items, and which.
            path: The file, ending in `.parquet`; an existing one is replaced.
            progress: Told how many users were answered after each batch.

        Returns:
            Rows written.

        Raises:
            DataError: `path` does not end in `.parquet` or lies in no folder.
        """
        if path.suffix != ".parquet" or not path.parent.is_dir():
            raise DataError(f"cannot write {path} — must end in .parquet, in a folder that exists")
        parts = [
            self._table(users, slate) for users, slate in self.recommend_all(request, progress)
        ]
        table = pl.concat(parts)
        fresh = path.with_name(f".{path.name}.part")
        try:
            table.write_parquet(fresh)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        return len(table)

    def recommend_all(
        self, request: Request, progress: Callable[[int], None] | None = None
    ) -> Iterator[tuple[Int32[np.ndarray, " users"], Slate]]:
        """The slates of every user of the log, a batch at a time.

        Args:
            request: How many items, and which.
            progress: Told how many users were answered after each batch.
        """
        everyone = np.arange(self.dataset.n_users, dtype=np.int32)
        for start in range(0, len(everyone), BATCH_USERS):
            users = everyone[start : start + BATCH_USERS]
            yield users, self.recommend(self.queries_of(users), request)
            if progress is not None:
                progress(len(users))

    def _table(self, users: Int32[np.ndarray, " users"], slate: Slate) -> pl.DataFrame:
        shown = slate.shown
        who, place = np.nonzero(shown.item_row != NO_ROW)
        item_ids = self.dataset.ids["item"].keys
        reason = shown.reason_item[who, place]
        because = item_ids.gather(np.maximum(reason, 0))
        return pl.DataFrame(
            {
                "user_id": self.dataset.ids["user"].keys.gather(users[who]),
                "rank": (place + 1).astype(np.int32),
                "item_id": item_ids.gather(shown.item_row[who, place]),
                "score": shown.score[who, place],
                "source": np.array(shown.source_names)[shown.source[who, place]],
                "because_item_id": pl.select(
                    pl.when(pl.Series(reason != NO_ROW)).then(because)
                ).to_series(),
                "because_share": shown.reason_share[who, place],
            }
        )


def _top_up(found: Candidates, extra: Candidates) -> Candidates:
    """`found` with its open places filled from `extra`, nothing twice."""
    filled = replace(
        found,
        item_row=found.item_row.copy(),
        score=found.score.copy(),
        source=found.source.copy(),
        source_names=found.source_names + extra.source_names,
    )
    for query in np.flatnonzero((found.item_row == NO_ROW).any(axis=1)):
        places = np.flatnonzero(found.item_row[query] == NO_ROW)
        fresh = ~np.isin(extra.item_row[query], found.item_row[query])
        fresh &= extra.item_row[query] != NO_ROW
        chosen = np.flatnonzero(fresh)[: len(places)]
        places = places[: len(chosen)]
        filled.item_row[query, places] = extra.item_row[query, chosen]
        filled.score[query, places] = extra.score[query, chosen]
        filled.source[query, places] = extra.source[query, chosen] + len(found.source_names)
    return filled
