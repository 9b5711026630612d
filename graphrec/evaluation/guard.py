"""The leakage guard: nothing that scores has seen the future.

`GuardedSource` stands between a protocol and a source and refuses to hand over what lies ahead.
`plant_future_event` and `check_blind_to` find sources that look past what they were handed.
"""

import numpy as np
from jaxtyping import Float32

from graphrec.errors import LeakageError
from graphrec.evaluation.results import EvaluationResult
from graphrec.stages import Candidates, CandidateSource, Eligibility, Interactions, Queries

_NEVER = np.iinfo(np.int64).min


class GuardedSource:
    """A source that checks what it is handed, then hands it on to the source it wraps."""

    def __init__(self, source: CandidateSource, *, ties_known: bool = False) -> None:
        """Guard `source`.

        Args:
            source: The source to guard.
            ties_known: Events at a query's own second may be known: a batch may begin between two
                events of one second.
        """
        self._source = source
        self._ties_known = ties_known
        self._learnt_until_s = _NEVER

    @property
    def name(self) -> str:
        """Name of the guarded source."""
        return self._source.name

    @property
    def absorbs(self) -> bool:
        """Whether `absorb` changes anything; a source without the attribute is taken at yes."""
        return bool(getattr(self._source, "absorbs", True))

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Fit on `events`.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        latest_s = _latest(events)
        if latest_s >= cut_s:
            raise LeakageError(
                f"{self.name} was to learn from an event at {latest_s} s with the cut at {cut_s} s "
                "— every event it learns from lies before the cut"
            )
        self._learnt_until_s = latest_s
        self._source.fit(events, cut_s)

    def absorb(self, events: Interactions) -> None:
        """Absorb `events`; whatever is scored from now on has to be later."""
        self._learnt_until_s = max(self._learnt_until_s, _latest(events))
        self._source.absorb(events)

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Score `queries`.

        Raises:
            LeakageError: A query's cut is not after every event learnt, or its history reaches it.
        """
        self.check(queries)
        return self._source.score(queries)

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """Retrieve for `queries`.

        Raises:
            LeakageError: A query's cut is not after every event learnt, or its history reaches it.
        """
        self.check(queries)
        return self._source.retrieve(queries, k, eligibility)

    def check(self, queries: Queries) -> None:
        """Refuse queries from before the last event learnt, or whose history reaches their cut.

        Raises:
            LeakageError: There is such a query.
        """
        if not len(queries):
            return
        slack = int(self._ties_known)
        earliest_s = int(queries.time_s.min())
        if self._learnt_until_s >= earliest_s + slack:
            raise LeakageError(
                f"{self.name} learnt an event at {self._learnt_until_s} s and was asked as of "
                f"{earliest_s} s — what scores has seen nothing at or after the cut"
            )
        check_histories(queries, ties_known=self._ties_known)


def check_histories(queries: Queries, *, ties_known: bool = False) -> None:
    """Refuse queries whose history reaches their cut.

    Args:
        queries: The queries to check.
        ties_known: Allow events at the cut itself.

    Raises:
        LeakageError: A past event is at or after its query's cut.
    """
    if not len(queries.history_time_s):
        return
    length = queries.history_ptr[1:] - queries.history_ptr[:-1]
    ahead = queries.history_time_s >= np.repeat(queries.time_s + int(ties_known), length)
    if ahead.any():
        at = int(np.argmax(ahead))
        query = int(np.searchsorted(queries.history_ptr, at, side="right")) - 1
        raise LeakageError(
            f"the history of query {query} (user {queries.user_row[query]}) holds an event at "
            f"{queries.history_time_s[at]} s with the cut at {queries.time_s[query]} s — a history "
            "ends before the cut"
        )


def plant_future_event(
    events: Interactions, time_s: int, user_row: int, item_row: int
) -> Interactions:
    """The same log with one more event, placed behind all events up to and at `time_s`.

    Evaluate a source on `events` and on the planted log, then hand both results to
    `check_blind_to`: what was asked before `time_s` must come out the same.

    Args:
        events: A log sorted by time.
        time_s: When the planted event happens, UTC seconds.
        user_row: A user row of the log.
        item_row: An item row of the log.
    """
    at = int(np.searchsorted(events.time_s, time_s, side="right"))
    used = None if events.event_id is None else events.event_id
    return Interactions(
        np.insert(events.time_s, at, time_s),
        np.insert(events.user_row, at, user_row),
        np.insert(events.item_row, at, item_row),
        np.insert(events.weight, at, 1.0),
        events.n_users,
        events.n_items,
        None if used is None else np.insert(used, at, _unused_id(used)),
    )


def check_blind_to(time_s: int, without: EvaluationResult, planted: EvaluationResult) -> None:
    """Refuse a source whose answers before `time_s` changed with an event planted at `time_s`.

    Args:
        time_s: When the planted event happens, UTC seconds.
        without: The source's result on the log as it is.
        planted: Its result on the log of `plant_future_event`, by the same protocol.

    Raises:
        LeakageError: A rank or a recommended list from before `time_s` differs.
    """
    before, after = without.questions, planted.questions
    n_queries = int(np.searchsorted(before.time_s, time_s, side="left"))
    n_relevant = int(before.relevant_ptr[n_queries])
    rank_moved = without.rank[:n_relevant] != planted.rank[:n_relevant]
    list_moved = (without.top_item[:n_queries] != planted.top_item[:n_queries]).any(axis=1)
    moved = list_moved | (np.add.reduceat(rank_moved, before.relevant_ptr[:n_queries]) > 0)
    if moved.any():
        query = int(np.argmax(moved))
        raise LeakageError(
            f"{without.source} answered query {query} at {after.time_s[query]} s differently once "
            f"an event was planted at {time_s} s — it has seen the future"
        )


def _latest(events: Interactions) -> int:
    return int(events.time_s.max()) if len(events) else _NEVER


def _unused_id(used: np.ndarray) -> int:
    taken = set(used.tolist())
    return next(candidate for candidate in range(len(taken) + 1) if candidate not in taken)
