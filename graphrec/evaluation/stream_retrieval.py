"""How far sources reach: whether they bring what comes next on a stream, before any ranking."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int8, Int32

from graphrec.arrays import NO_ROW
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.guard import GuardedSource
from graphrec.evaluation.intervals import IntervalSettings, bootstrap_means
from graphrec.evaluation.stream import StreamSettings, stream_plan
from graphrec.stages import Candidates, CandidateSource, Eligibility, Interactions

_ASKED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Reach:
    """What came of every question of a stream.

    Attributes:
        names: The sources.
        place: 0-based place of what came next in each source's own list; -1 where it is not there.
        merged_place: Its place in the merged list; -1 where it is not there.
        split: 0 for validation, 1 for the test.
        user_row: Who asked.
    """

    names: tuple[str, ...]
    place: Int32[np.ndarray, "queries sources"]
    merged_place: Int32[np.ndarray, " queries"]
    split: Int8[np.ndarray, " queries"]
    user_row: Int32[np.ndarray, " queries"]

    def found(self, k: int) -> dict[str, Bool[np.ndarray, " queries"]]:
        """Which questions each source, any of them, and the merged list answer on `k` places."""
        own = (self.place >= 0) & (self.place < k)
        found = {name: own[:, at] for at, name in enumerate(self.names)}
        found["any of them"] = np.asarray(own.any(axis=1))
        found["merged"] = (self.merged_place >= 0) & (self.merged_place < k)
        return found

    def alone(self, k: int) -> dict[str, Bool[np.ndarray, " queries"]]:
        """Which questions a source answers on `k` places and no other one does."""
        own = (self.place >= 0) & (self.place < k)
        is_single = own.sum(axis=1) == 1
        return {name: own[:, at] & is_single for at, name in enumerate(self.names)}


@dataclass(frozen=True, slots=True)
class Recall:
    """Recall of one source in one split.

    Attributes:
        source: The source; `any of them`, or `merged` for the merged list.
        split: `validation` or `test`.
        recall: Share of questions whose item is among the first places.
        low: Lower end of its 95 % interval over users.
        high: Upper end.
        alone: Share of questions that no other source answers.
    """

    source: str
    split: str
    recall: float
    low: float
    high: float
    alone: float


def reach_of_stream(
    source: CandidateSource,
    events: Interactions,
    cuts: Cuts,
    settings: StreamSettings,
    k: int,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> Reach:
    """Ask a source, such as a blend, for candidates for every event of a stream.

    Blocks, knowledge and seen items are those of `evaluate_stream`; an item that the user has at
    the same second is a candidate like any other.

    Args:
        source: Fitted afresh.
        events: The whole log, sorted by time.
        cuts: Where validation, the test and the end are.
        settings: Regime and candidates.
        k: Candidates asked for.
        progress: Told how far it is.

    Raises:
        LeakageError: The source was handed, or admits to have learnt, an event from its future.
    """
    plan = stream_plan(events, cuts, settings)
    guarded = GuardedSource(source, ties_known=settings.regime == "batch")
    guarded.fit(events.take(slice(0, plan.start)), cuts.validation_s)
    asked = plan.questions
    eligibility = Eligibility(settings.seen)
    names: tuple[str, ...] = ()
    own, merged = [], []
    for number, (first, last) in enumerate(plan.blocks(merged=False)):
        for begin in range(first, last, _ASKED_AT_ONCE):
            end = min(begin + _ASKED_AT_ONCE, last)
            queries = plan.index.queries(
                asked.user_row[begin:end], plan.cut_s[begin:end], plan.known_until[begin:end]
            )
            found = guarded.retrieve(queries, k, eligibility)
            names = found.source_names
            places = _places(found, asked.relevant_item[begin:end])
            own.append(places[0])
            merged.append(places[1])
        guarded.absorb(plan.events.take(slice(plan.start + first, plan.start + last)))
        if progress and number % 100 == 0:
            progress(source.name, last, len(asked))
    return Reach(names, np.concatenate(own), np.concatenate(merged), asked.split, asked.user_row)


def recalls_of(reach: Reach, k: int, intervals: IntervalSettings) -> list[Recall]:
    """Recall at `k` of each source, of any, and of the merged list, the test before validation."""
    found, alone = reach.found(k), reach.alone(k)
    rows = []
    for code, split in ((1, "test"), (0, "validation")):
        here = reach.split == code
        if not here.any():
            continue
        values = {name: hit[here].astype(np.float64) for name, hit in found.items()}
        means = bootstrap_means(values, reach.user_row[here], intervals)
        for name, interval in means.items():
            single = float(alone[name][here].mean()) if name in alone else 0.0
            rows.append(Recall(name, split, interval.value, interval.low, interval.high, single))
    return rows


def _places(
    found: Candidates, wanted: Int32[np.ndarray, " queries"]
) -> tuple[Int32[np.ndarray, "queries sources"], Int32[np.ndarray, " queries"]]:
    """Where the wanted item of each query stands in each source's list, and in the merged one."""
    own = np.full((len(wanted), len(found.source_names)), NO_ROW, np.int32)
    merged = np.full(len(wanted), NO_ROW, np.int32)
    query, at = np.nonzero(found.item_row == wanted[:, None])
    merged[query] = at
    if found.evidence is None:
        own[query, 0] = at
    else:
        own[query] = found.evidence.place[query, at]
    return own, merged
