"""What rooms exchange: flat records and the protocols of the stages.

`Interactions` go in, `Queries` ask, `Candidates` come back, a `Slate` is shown. Sources, rankers
and arrangers know these records and nothing of each other.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int8, Int32, Int64, UInt64

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError

SeenPolicy = Literal["hide", "allow", "only_again"]


@dataclass(frozen=True, slots=True)
class Interactions:
    """User–item events as flat columns, in the order they arrived.

    Arrival order is the tie rule: events of equal time keep it. A batch that a source is fitted on
    is sorted by time; a batch that arrives live need not be.

    Attributes:
        time_s: UTC seconds.
        user_row: User of each event.
        item_row: Item of each event.
        weight: Strength of the event, unitless, > 0; 1 where events are counted.
        n_users: Users that have a row, at least `max(user_row) + 1`.
        n_items: Items that have a row, at least `max(item_row) + 1`.
        event_id: 64-bit key of the caller's event id, by which a repeated event is known; None
            where events carry no id and none can be told from a repeat.
    """

    time_s: Int64[np.ndarray, " events"]
    user_row: Int32[np.ndarray, " events"]
    item_row: Int32[np.ndarray, " events"]
    weight: Float32[np.ndarray, " events"]
    n_users: int
    n_items: int
    event_id: UInt64[np.ndarray, " events"] | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> "Interactions":
        """Itself: nothing changes events, of which there may be millions."""
        return self

    def __len__(self) -> int:
        return len(self.time_s)

    def take(
        self, which: Int64[np.ndarray, " some"] | Bool[np.ndarray, " events"] | slice
    ) -> "Interactions":
        """The events at `which` (positions, a mask or a slice), in that order."""
        return Interactions(
            self.time_s[which],
            self.user_row[which],
            self.item_row[which],
            self.weight[which],
            self.n_users,
            self.n_items,
            None if self.event_id is None else self.event_id[which],
        )


@dataclass(frozen=True, slots=True)
class DescribedItems:
    """All that is said of some items, in place of what was said before.

    Rows of names are their places in ascending order among those known at first; names that came
    later have the next rows.

    Attributes:
        item_row: The items, ascending, each once.
        published_s: UTC seconds; `NEVER_S`: the first event is to tell.
        publisher_ptr: Item i's publishers are `[publisher_ptr[i], publisher_ptr[i + 1])`.
        publisher_row: Rows of publishers, the foremost first, each once an item.
        keyword_ptr: Item i's keywords are `[keyword_ptr[i], keyword_ptr[i + 1])`.
        keyword_row: Rows of keywords, each once an item.
        n_publishers: Publishers that have a row.
        n_keywords: Keywords that have a row.
    """

    item_row: Int32[np.ndarray, " items"]
    published_s: Int64[np.ndarray, " items"]
    publisher_ptr: Int64[np.ndarray, " borders"]
    publisher_row: Int32[np.ndarray, " publishers"]
    keyword_ptr: Int64[np.ndarray, " borders"]
    keyword_row: Int32[np.ndarray, " keywords"]
    n_publishers: int
    n_keywords: int

    def __len__(self) -> int:
        return len(self.item_row)


@dataclass(frozen=True, slots=True)
class Queries:
    """Who asks, when, and what they did before.

    Attributes:
        user_row: The user, or -1 for an anonymous session.
        time_s: The cut of each query, UTC seconds: nothing at or after it was known, except that
            the batch-k protocol fixes the cut at the batch's first event.
        history_ptr: Query i's history is `[history_ptr[i], history_ptr[i + 1])`.
        history_item: Items of past events, newest first; a repeated item stands again.
        history_time_s: Their times, UTC seconds.
        history_weight: Their strengths, unitless.
    """

    user_row: Int32[np.ndarray, " users"]
    time_s: Int64[np.ndarray, " users"]
    history_ptr: Int64[np.ndarray, " users+1"]
    history_item: Int32[np.ndarray, " seeds"]
    history_time_s: Int64[np.ndarray, " seeds"]
    history_weight: Float32[np.ndarray, " seeds"]

    def __len__(self) -> int:
        return len(self.user_row)

    def history(self, query: int) -> slice:
        """Where the history of one query lies in the flat arrays."""
        return slice(int(self.history_ptr[query]), int(self.history_ptr[query + 1]))

    @classmethod
    def of_sessions(
        cls, sessions: list[Int32[np.ndarray, " _"]], time_s: int, user_row: int = NO_ROW
    ) -> "Queries":
        """Queries of sessions known only by their items, newest first, all dated `time_s - 1`.

        Args:
            sessions: Item rows of each session, newest first; may be empty.
            time_s: The cut, UTC seconds.
            user_row: Row to ask for; -1 for anonymous.
        """
        lengths = np.array([0, *(len(items) for items in sessions)], dtype=np.int64)
        items = np.concatenate([*sessions, np.empty(0, np.int32)]).astype(np.int32)
        return cls(
            np.full(len(sessions), user_row, np.int32),
            np.full(len(sessions), time_s, np.int64),
            np.cumsum(lengths),
            items,
            np.full(len(items), time_s - 1, np.int64),
            np.ones(len(items), np.float32),
        )


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Which items may be returned.

    Attributes:
        seen: `hide` drops items in the query's history, `only_again` keeps nothing else, `allow`
            does not look.
        allowed: Items that filters let through; None lets all through.
    """

    seen: SeenPolicy = "hide"
    allowed: Bool[np.ndarray, " items"] | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What each of several sources says of each candidate.

    Attributes:
        score: The source's own score; NaN where it did not bring the candidate.
        place: 0-based place in the source's list; -1 where it did not bring the candidate.
    """

    score: Float32[np.ndarray, "users k sources"]
    place: Int32[np.ndarray, "users k sources"]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Items found for each query, best first, short rows padded with row -1 and score -inf.

    Attributes:
        item_row: The items; -1 is padding.
        score: Higher is better; comparable within one source only.
        source: Index into `source_names`; -1 is padding.
        source_names: The sources that found them.
        reason_item: Past item that brought each candidate; -1 where there is none.
        reason_share: That item's share of the candidate's score, in [0, 1]; 0 where there is none.
        evidence: What every source says of each candidate, sources in the order of
            `source_names`; None where a single source was asked.
        notes: What a caller should know, such as a source that failed and was left out.
    """

    item_row: Int32[np.ndarray, "users k"]
    score: Float32[np.ndarray, "users k"]
    source: Int8[np.ndarray, "users k"]
    source_names: tuple[str, ...]
    reason_item: Int32[np.ndarray, "users k"]
    reason_share: Float32[np.ndarray, "users k"]
    evidence: Evidence | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.source_names) > np.iinfo(np.int8).max:
            raise DataError(
                f"{len(self.source_names)} candidate sources — at most {np.iinfo(np.int8).max}"
            )

    def of_query(self, query: int) -> "Candidates":
        """The candidates of one query, alone; arrays are views."""
        return self._each(lambda column, _: column[query : query + 1])

    def first(self, k: int) -> "Candidates":
        """The first `k` candidates of each query; arrays are views."""
        return self._each(lambda column, _: column[:, :k])

    def at_columns(self, column: Int64[np.ndarray, "users n"]) -> "Candidates":
        """The candidates that stand at these columns of their queries; -1 becomes padding.

        Raises:
            DataError: A column is beyond the last.
        """
        n_queries, width = self.item_row.shape
        if column.max(initial=-1) >= width:
            raise DataError(f"column {column.max()} of candidates — there are {width}")
        flat = (column + width * np.arange(n_queries)[:, None]).ravel()
        missing = (column < 0).ravel()
        pads = bool(missing.any())
        if pads:
            flat[missing] = 0
        shape = column.shape

        def moved(values: np.ndarray, pad: int | float) -> np.ndarray:
            rest = values.shape[2:]
            if not width:
                return np.full((*shape, *rest), pad, dtype=values.dtype)
            by_row = values.reshape(n_queries * width, *rest)
            found: np.ndarray = by_row.take(flat, axis=0)
            if pads:
                found[missing] = pad
            return found.reshape(*shape, *rest)

        return self._each(moved)

    def with_source(self, *names: str) -> "Candidates":
        """The same with room for what more sources found, which are last and say nothing yet."""
        evidence = self.evidence
        if evidence is not None:
            more = ((0, 0), (0, 0), (0, len(names)))
            evidence = Evidence(
                np.pad(evidence.score, more, constant_values=np.nan),
                np.pad(evidence.place, more, constant_values=-1),
            )
        return replace(self, source_names=(*self.source_names, *names), evidence=evidence)

    def _each(self, move: Callable[[np.ndarray, int | float], np.ndarray]) -> "Candidates":
        """Every column as `move` makes it, told what stands for padding there."""
        evidence = self.evidence
        if evidence is not None:
            evidence = Evidence(move(evidence.score, np.nan), move(evidence.place, -1))
        return replace(
            self,
            item_row=move(self.item_row, NO_ROW),
            score=move(self.score, -np.inf),
            source=move(self.source, -1),
            reason_item=move(self.reason_item, NO_ROW),
            reason_share=move(self.reason_share, 0),
            evidence=evidence,
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule did to one item of one query: a line of the audit.

    Attributes:
        query: The query.
        item_row: The item.
        rule: Name of the rule, such as `deny` or `publisher quota`.
        action: What was done.
        detail: Why, in words: the value that met the rule.
    """

    query: int
    item_row: int
    rule: str
    action: Literal["removed", "moved", "pinned"]
    detail: str


@dataclass(frozen=True, slots=True)
class Slate:
    """What is shown: the arranged candidates of each query, in order of place.

    Attributes:
        shown: The candidates in order; -1 pads a slate that came out short.
        notes: What a caller should know: a source that failed, a filter that left nothing.
        propensity: Probability with which the item stands at its place given those above it, in
            (0, 1]; 1 where nothing was drawn; 0 in padding. None: nothing was drawn at all.
        decisions: What rules did, in the order they did it.
        ranked: What the slate was arranged from, for explanations; None where that was not kept.
    """

    shown: Candidates
    notes: tuple[str, ...] = ()
    propensity: Float32[np.ndarray, "users k"] | None = None
    decisions: tuple[Decision, ...] = ()
    ranked: Candidates | None = None


@runtime_checkable
class CandidateSource(Protocol):
    """Finds candidates out of the whole catalogue.

    `fit` and `absorb` are the only calls that change a source. `score` and `retrieve` give the same
    answer to the same queries, whatever was asked between.
    """

    @property
    def name(self) -> str:
        """Short name shown in tables and reasons."""
        ...

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, then learn from `events`, sorted by time and all before `cut_s`.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        ...

    def absorb(self, events: Interactions) -> None:
        """Learn from events that arrived since; `n_users` and `n_items` may have grown."""
        ...

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Score every item of the catalogue for each query: higher is better, all finite."""
        ...

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """Find the best `k` eligible items of each query, ties to the lower item row.

        Items that the source has no reason to propose (score 0) are left out.
        """
        ...


@runtime_checkable
class Settling(Protocol):
    """Something that can bring itself up to date ahead of the next question.

    Until something is absorbed or time passes, questions change nothing of what is settled, so that
    any number of threads may ask at once. What was not settled is brought up to date by the next
    question, with the same answer, and then has one asker at a time.
    """

    def settle(self) -> None:
        """Do now what the next question would do first."""
        ...


@runtime_checkable
class Ageing(Protocol):
    """Something that weighs what it learnt as of a clock of its own, which events move."""

    def advance(self, now_s: int) -> None:
        """Let it be `now_s` (UTC seconds) though nothing has happened; an earlier time is none."""
        ...


@runtime_checkable
class LearnsItems(Protocol):
    """A part of a stage that reads descriptions of items, and can learn new ones."""

    def learn_items(self, items: DescribedItems) -> None:
        """Replace what is known of some items; `absorb` has told that they have rows."""
        ...


@runtime_checkable
class Ranker(Protocol):
    """Orders candidates by a closer look."""

    def rank(self, queries: Queries, candidates: Candidates) -> Candidates:
        """The same candidates with new scores, best first, ties to the lower item row."""
        ...


@runtime_checkable
class Arranger(Protocol):
    """Turns ranked candidates into what is shown."""

    def arrange(self, queries: Queries, candidates: Candidates, k: int) -> Slate:
        """At most `k` of the candidates of each query, in order of place."""
        ...
