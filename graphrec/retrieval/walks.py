"""Recommend what short random walks from past items come by."""

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from graphrec.checks import refuse_unknown_items
from graphrec.graph.walk_table import WalkTable
from graphrec.kernels.walk_requests import (
    Kept,
    Limits,
    Requests,
    answer_requests,
    score_requests,
)
from graphrec.kernels.walks import NO_VISIT, count_steps, walk_visits
from graphrec.retrieval.cowatch_source import CoWatchSource, candidates_of
from graphrec.retrieval.propagate import PropagateSource
from graphrec.retrieval.seeds import past_seeds, with_cold_start
from graphrec.retrieval.walk_plan import (
    empty_answers,
    fillable_places,
    limits_of,
    plan_walks,
    run_requests,
    walk_rule,
)
from graphrec.retrieval.walk_settings import WalkSettings
from graphrec.stages import Candidates, Eligibility, Queries

__all__ = ["PropagateSource", "RandomWalkSource", "visit_shares"]

_MORE_STEPS = 4


def visit_shares(
    table: WalkTable,
    history: Int32[np.ndarray, " seeds"],
    settings: WalkSettings,
    *,
    seed: int,
) -> Float64[np.ndarray, " items"]:
    """Estimate how often a walker who restarts in `history` stands on each item.

    Args:
        table: Walk table of the co-watch graph.
        history: Item rows the user watched, newest first; repeats count double. Where none has
            edges, walks start from the cold-start node.
        settings: Walk length, count and restart chance. Boost and early stop do not apply, and
            every distinct item with edges is a seed.
        seed: Any integer in [0, 2^63); equal seeds give equal results.

    Returns:
        Share of all visits (or ends) on each item row, unitless, summing to 1; all 0 where no walk
        can take a step.

    Raises:
        DataError: `history` holds a row outside `[0, table.n_items)`.

    Source:
        Eksombatchai et al. 2018, arXiv:1711.07601, without the multi-hit boost.
    """
    queries = Queries.of_sessions([history], 0)
    refuse_unknown_items(queries, table.n_items, "visit_shares")
    seeds = with_cold_start(past_seeds(queries, settings, table))
    requests = plan_walks(seeds, queries, settings.model_copy(update={"seed": seed}), table)
    rule = walk_rule(settings)
    n_visits = int(requests.n_walks.sum())
    if rule.every_visit:
        n_visits = count_steps(requests.key, requests.n_walks, rule.survival)
    visited = np.empty(n_visits, np.uint32)
    walk_visits(
        table.place,
        table.cells,
        requests.node,
        requests.key,
        requests.n_walks,
        rule.survival,
        rule.every_visit,
        visited,
        np.empty(len(requests.node), np.int64),
    )
    counts = np.bincount(visited[visited != NO_VISIT], minlength=table.n_items)
    return np.asarray(counts / max(int(counts.sum()), 1), dtype=np.float64)


class RandomWalkSource(CoWatchSource):
    """Scores items by how often restart walks from past items come by.

    A request's answer hangs on its user, time and history and on the settings' seed, not on other
    requests, threads or calls. Scores are visits over all visits of the request: shares that sum to
    1; with the multi-hit boost (Σ_q √V_q)² over all visits, which is never less. A reason is the
    seed with the largest part of that sum (V_q, or √V_q with the boost), and its share is that part
    over the sum; walks from the cold-start node have none.

    Source:
        Eksombatchai et al. 2018, arXiv:1711.07601 (Pixie), with walks whose number is set ahead
        instead of steps counted to a budget, and its early stop checked after every 256 walks.
    """

    @property
    def name(self) -> str:
        """`walk`."""
        return "walk"

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Score of every item for each query, >= 0, 0 where no walk came.

        Raises:
            DataError: A history holds an unknown item row.
        """
        table, seeds = self.choose_seeds(queries)
        requests = plan_walks(seeds, queries, self._settings, table)
        rule = walk_rule(self._settings)
        which = np.arange(len(queries), dtype=np.int64)
        scores = np.empty((len(queries), table.n_items), np.float32)
        run_requests(
            lambda block: score_requests(table.place, table.cells, requests, rule, block, scores),
            which,
        )
        return scores

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """Find the best `k` eligible items of each query, ties to the lower item row.

        Where limits drop more items than they leave and the answer is short, the request is walked
        again with 4, 16, ... times the steps, up to `settings.overwalk` times.

        Raises:
            DataError: A history holds an unknown item row.
        """
        table, seeds = self.choose_seeds(queries)
        requests = plan_walks(seeds, queries, self._settings, table)
        kept = empty_answers(len(queries), k)
        limits = limits_of(queries, eligibility)
        which = np.arange(len(queries), dtype=np.int64)
        self._answer(table, requests, limits, which, kept)
        factor = _MORE_STEPS
        while factor <= self._settings.overwalk:
            n_kept = (kept.item_row >= 0).sum(axis=1)
            short = (n_kept < k) & (kept.n_dropped > n_kept)
            which = np.flatnonzero(short)
            which = which[n_kept[which] < fillable_places(queries, which, k, eligibility)]
            if not len(which):
                break
            more = self._settings.model_copy(update={"n_steps": factor * self._settings.n_steps})
            requests = plan_walks(seeds, queries, more, table)
            self._answer(table, requests, limits, which, kept)
            factor *= _MORE_STEPS
        return candidates_of(
            kept.item_row, kept.score, kept.reason_node - 1, kept.reason_share, self.name
        )

    def _answer(
        self,
        table: WalkTable,
        requests: Requests,
        limits: Limits,
        which: Int64[np.ndarray, " some"],
        kept: Kept,
    ) -> None:
        rule = walk_rule(self._settings)
        # A lambda, since annotations of a nested function are evaluated at each call, for 0.1 ms.
        run_requests(
            lambda block: answer_requests(
                table.place, table.cells, requests, rule, limits, block, kept
            ),
            which,
        )
