"""What retrieval loses, apart from what ranking loses: recall by source, and NDCG's loss in two.

In: candidates of all sources with evidence, in the order they are shown, and the items that came
true. A true item that no source brought is retrieval's fault; one that was brought and stands low
is ranking's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64

from graphrec.errors import DataError
from graphrec.stages import Candidates


@dataclass(frozen=True, slots=True)
class SourceRecall:
    """What one source brings, means over true items.

    Attributes:
        name: The source; `all` for all of them together, `list` for the candidates' own order.
        recall: Share of true items that it brought on its first `k` places, in [0, 1].
        unique_share: Share of true items that it alone brought there, in [0, 1].
        n_true: True items there are.
    """

    name: str
    recall: float
    unique_share: float
    n_true: int


@dataclass(frozen=True, slots=True)
class LossParts:
    """How far a metric is from 1, and whose fault it is; means over queries.

    Attributes:
        metric: Its name, such as `ndcg@10` or `mrr@10`.
        value: Mean of the metric.
        recall_loss: What the best order of what was retrieved would still lack to 1.
        ranking_loss: What the shown order lacks to that best order.
    """

    metric: str
    value: float
    recall_loss: float
    ranking_loss: float


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """Recall of every source and of all together, and where the metrics' losses arise.

    Attributes:
        k: Places of each source's list, and of the candidates' own order, that count.
        sources: In the order of the candidates' `source_names`, then `all` and `list`.
        losses: NDCG's and the mean reciprocal rank's.
    """

    k: int
    sources: tuple[SourceRecall, ...]
    losses: tuple[LossParts, ...]


def report_retrieval(
    candidates: Candidates,
    true_item: Sequence[Int32[np.ndarray, " _"]],
    k: int,
    shown: int = 10,
) -> RetrievalReport:
    """Recall at `k` of each source, and the losses of the first `shown` places.

    Args:
        candidates: In the order of the ranker, with evidence unless there is one source.
        true_item: Distinct items that came true, at least one a query.
        k: Places of a source's list that count.
        shown: Places that NDCG and the mean reciprocal rank look at.

    Raises:
        DataError: A query has no true item or one twice, queries differ in number, or several
            sources come without evidence.
    """
    place = places_of(candidates, true_item)
    sources = source_recall(candidates, true_item, k)
    return RetrievalReport(
        k, sources, (ndcg_loss(place, true_item, shown), reciprocal_rank_loss(place, shown))
    )


def source_recall(
    candidates: Candidates, true_item: Sequence[Int32[np.ndarray, " _"]], k: int
) -> tuple[SourceRecall, ...]:
    """Recall at `k` of each source's own list, of all together and of the candidates' order.

    Only candidates that were kept can be seen: a source's item that was cut when lists were merged
    counts as not brought.

    Raises:
        DataError: See `report_retrieval`.
    """
    n_true = sum(len(items) for items in true_item)
    places = places_of(candidates, true_item)
    brought = np.concatenate(
        [np.empty((0, len(candidates.source_names)), bool)]
        + [_brought_by(candidates, query, place, k) for query, place in enumerate(places)]
    )
    alone = brought.sum(axis=1) == 1
    rows = [
        SourceRecall(
            name,
            float(brought[:, s].sum() / n_true),
            float((brought[:, s] & alone).sum() / n_true),
            n_true,
        )
        for s, name in enumerate(candidates.source_names)
    ]
    everywhere = float(brought.any(axis=1).sum() / n_true)
    in_order = sum(int(((at >= 0) & (at < k)).sum()) for at in places) / n_true
    return (
        *rows,
        SourceRecall("all", everywhere, everywhere, n_true),
        SourceRecall("list", in_order, in_order, n_true),
    )


def places_of(
    candidates: Candidates, true_item: Sequence[Int32[np.ndarray, " _"]]
) -> list[Int64[np.ndarray, " _"]]:
    """The 0-based place of each query's true items among its candidates, -1 where it is missing.

    Raises:
        DataError: See `report_retrieval`.
    """
    if len(true_item) != len(candidates.item_row) or not len(true_item):
        raise DataError(
            f"true items of {len(true_item)} queries with candidates of "
            f"{len(candidates.item_row)} — as many, and at least one"
        )
    places = []
    for query, items in enumerate(true_item):
        if not len(items) or len(np.unique(items)) < len(items):
            raise DataError(
                f"true items of query {query} are {items.tolist()} — at least one, each once"
            )
        hit = candidates.item_row[query][None, :] == items[:, None]
        places.append(np.where(hit.any(axis=1), hit.argmax(axis=1), -1).astype(np.int64))
    return places


def ndcg_loss(
    place: Sequence[Int64[np.ndarray, " _"]],
    true_item: Sequence[Int32[np.ndarray, " _"]],
    shown: int,
) -> LossParts:
    """NDCG of the first places, and its loss in two parts.

    With n true items of which m were retrieved, the gain of an ideal list is I(n) = Σ 1/log2(j + 1)
    over j to min(n, shown). The best order of what was retrieved gains I(m), so 1 - NDCG is
    (I(n) - I(m)) / I(n), which no ranker can mend, and (I(m) - gain) / I(n), which one can.

    Args:
        place: Places of each query's true items, see `places_of`.
        true_item: The true items themselves.
        shown: Places that count.
    """
    ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2.0, shown + 2.0)))])
    value, lost, mended = (np.empty(len(place)) for _ in range(3))
    for query, (at, items) in enumerate(zip(place, true_item, strict=True)):
        best = ideal[min(len(items), shown)]
        reachable = ideal[min(int((at >= 0).sum()), shown)]
        in_sight = at[(at >= 0) & (at < shown)]
        gain = float((1.0 / np.log2(in_sight + 2.0)).sum())
        value[query] = gain / best
        lost[query] = (best - reachable) / best
        mended[query] = (reachable - gain) / best
    return _parts(f"ndcg@{shown}", value, lost, mended)


def reciprocal_rank_loss(place: Sequence[Int64[np.ndarray, " _"]], shown: int) -> LossParts:
    """Mean reciprocal rank of the first true item among the first places, and its loss in two.

    A query of which nothing true was retrieved loses 1 by retrieval; any other one could have 1,
    and loses the rest by ranking.
    """
    retrieved: Bool[np.ndarray, " queries"] = np.array([bool((at >= 0).any()) for at in place])
    value = np.array([_reciprocal_rank(at, shown) for at in place])
    lost = (~retrieved).astype(np.float64)
    return _parts(f"mrr@{shown}", value, lost, retrieved - value)


def _reciprocal_rank(place: Int64[np.ndarray, " _"], shown: int) -> float:
    in_sight = place[(place >= 0) & (place < shown)]
    return float(1.0 / (in_sight.min() + 1)) if len(in_sight) else 0.0


def _parts(
    metric: str,
    value: Float64[np.ndarray, " queries"],
    recall_loss: Float64[np.ndarray, " queries"],
    ranking_loss: Float64[np.ndarray, " queries"],
) -> LossParts:
    return LossParts(
        metric, float(value.mean()), float(recall_loss.mean()), float(ranking_loss.mean())
    )


def _brought_by(
    candidates: Candidates, query: int, place: Int64[np.ndarray, " true"], k: int
) -> Bool[np.ndarray, "true sources"]:
    """Which sources brought each true item of a query on their first `k` places."""
    found = place >= 0
    if candidates.evidence is None:
        if len(candidates.source_names) > 1:
            raise DataError(
                f"candidates of {len(candidates.source_names)} sources without evidence — merge "
                "them by a blend, which keeps it"
            )
        return (found & (place < k))[:, None]
    own = candidates.evidence.place[query, np.maximum(place, 0)]
    return np.asarray(found[:, None] & (own >= 0) & (own < k), dtype=np.bool_)
