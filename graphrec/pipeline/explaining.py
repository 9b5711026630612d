"""What moved a place of a slate, in the caller's words."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from graphrec.arrays import NO_ROW
from graphrec.events.catalogue import COLUMNS, Catalogue
from graphrec.events.descriptions import NameColumn
from graphrec.events.ids import Key
from graphrec.ranking.learned import FeatureEffect
from graphrec.stages import Candidates, Queries, Slate

_PAST_READ = 50
"""Newest events whose publishers and keywords can be a reason."""


@runtime_checkable
class ExplainingRanker(Protocol):
    """A ranker that can tell what moved its candidates."""

    def explain_places(
        self,
        queries: Queries,
        candidates: Candidates,
        query: int,
        places: Int64[np.ndarray, " places"],
        n: int = 5,
    ) -> list[list[FeatureEffect]]:
        """The features that moved each candidate most."""
        ...


@dataclass(frozen=True, slots=True)
class FoundBy:
    """A source that brought an item.

    Attributes:
        name: The source.
        place: Place in its list, counted from 1.
        score: Its own score.
    """

    name: str
    place: int
    score: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Something of the user's past that speaks for an item.

    Attributes:
        kind: A past item, or a publisher or keyword that past items share with it.
        key: The past item's id, or the name.
        name: The past item's title, or the name.
        share: The past item's share of the score, or the share of the newest past items that bear
            the name; in [0, 1].
    """

    kind: Literal["item", "publisher", "keyword"]
    key: Key
    name: str
    share: float

    @property
    def words(self) -> str:
        """The reason as a person reads it."""
        if self.kind == "item":
            return f"because you watched {self.name} ({self.share:.0%})"
        return f"because of the {self.kind} {self.name} ({self.share:.0%} of what you watched)"


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
        found_by: Every source that brought it, best places first; empty where one was asked.
        reasons: That past item, and names that the past shares with it.
        effects: Features that moved its score most; empty where no model ranked it.
        propensity: Probability with which it stands there; None where nothing is drawn.
    """

    item_id: Key
    title: str
    score: float
    source: str
    because_id: Key | None
    because_title: str | None
    because_share: float
    found_by: tuple[FoundBy, ...] = ()
    reasons: tuple[Reason, ...] = ()
    effects: tuple[FeatureEffect, ...] = ()
    propensity: float | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """An item of a history in the caller's words."""

    item_id: Key
    title: str


def found_by(shown: Candidates, query: int, place: int) -> tuple[FoundBy, ...]:
    """The sources that brought one item, best places first."""
    evidence = shown.evidence
    if evidence is None:
        return ()
    found = [
        FoundBy(
            name, int(evidence.place[query, place, at]) + 1, float(evidence.score[query, place, at])
        )
        for at, name in enumerate(shown.source_names[: evidence.place.shape[2]])
        if evidence.place[query, place, at] >= 0
    ]
    return tuple(sorted(found, key=lambda one: one.place))


class PastNames:
    """Names that one history bears, by kind and by how much of it bears them."""

    def __init__(self, catalogue: Catalogue, queries: Queries, query: int) -> None:
        """Read the newest events of one history."""
        self._catalogue = catalogue
        past = queries.history_item[queries.history(query)][:_PAST_READ]
        rows = np.unique(past[past < catalogue.n_items])
        self._n_past = len(rows)
        self._count: dict[str, Counter[str]] = {}
        for column in COLUMNS:
            names = [set(catalogue.names(column, row)) for row in rows.tolist()]
            self._count[column] = Counter(name for own in names for name in own)

    def reasons(self, item_row: int) -> list[Reason]:
        """The publisher and the keyword that most of the history shares with an item."""
        found = []
        kinds: tuple[tuple[NameColumn, Literal["publisher", "keyword"]], ...]
        kinds = (("publisher", "publisher"), ("keywords", "keyword"))
        for column, kind in kinds:
            count = self._count[column]
            names = self._catalogue.names(column, item_row)
            shared = {name: count[name] for name in names if count[name]}
            if shared:
                best = min(shared, key=lambda name: (-shared[name], name))
                found.append(Reason(kind, best, best, shared[best] / self._n_past))
        return found


def effects_of(
    ranker: object, queries: Queries, slate: Slate, query: int, n: int = 5
) -> dict[int, list[FeatureEffect]]:
    """What moved each shown item that was ranked, by item row; empty without a telling ranker."""
    if slate.ranked is None or not isinstance(ranker, ExplainingRanker):
        return {}
    ranked = slate.ranked.item_row[query]
    shown = slate.shown.item_row[query]
    places = np.flatnonzero(np.isin(ranked, shown) & (ranked != NO_ROW))
    if not len(places):
        return {}
    told = ranker.explain_places(queries, slate.ranked, query, places, n)
    return dict(zip(ranked[places].tolist(), told, strict=True))
