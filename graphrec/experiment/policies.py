"""Policies that fill the pages of a simulated world, and the choice among them."""

import numpy as np
from jaxtyping import Bool, Int32

from graphrec.arrays import NO_ROW
from graphrec.events.dataset import Dataset
from graphrec.events.log import EventLog
from graphrec.events.world.draws import Draws
from graphrec.events.world.mixture import MixturePolicy
from graphrec.events.world.policy import PageRequests, Pages, Policy, ShownPages
from graphrec.experiment.loop_ranker import Shelf
from graphrec.experiment.loop_settings import PipelineChoice
from graphrec.experiment.simulation_settings import (
    LoggingChoice,
    PolicyChoice,
    PopularChoice,
    RandomChoice,
    WalkChoice,
)
from graphrec.retrieval.popular import PopularSource
from graphrec.retrieval.walks import RandomWalkSource
from graphrec.stages import CandidateSource, Eligibility, Interactions, Queries

WATCHES = ("watch",)
"""Event types that sources learn from."""


def build_policy(choice: PolicyChoice, seed: int, shelf: Shelf | None = None) -> Policy:
    """The policy that `choice` describes, not yet fitted.

    Args:
        choice: As an experiment gives it.
        seed: Seed of the world it will live in, for policies that draw.
        shelf: What pipelines fitted on the same log have learnt; see `PipelinePolicy`.
    """
    match choice:
        case LoggingChoice():
            return MixturePolicy(seed)
        case RandomChoice():
            return RandomPolicy(seed)
        case PopularChoice():
            return SourcePolicy(PopularSource(choice.settings), hide_seen=choice.hide_seen)
        case WalkChoice():
            return SourcePolicy(
                RandomWalkSource(choice.graph, choice.walk),
                PopularSource(choice.fallback),
                hide_seen=choice.hide_seen,
            )
        case PipelineChoice():
            # Rankers and their libraries are an extra of their own.
            from graphrec.experiment.pipeline_policy import PipelinePolicy

            return PipelinePolicy(choice, seed, shelf)


class RandomPolicy:
    """Shows what is out and not among the user's last watches, each item as likely as the next.

    A page is a hash of (seed, user, time, item), whatever it is asked together with.
    """

    def __init__(self, seed: int) -> None:
        """Draw by `seed`."""
        self._draws = Draws(seed, "random page")

    def fit(self, dataset: Dataset, cut_s: int) -> None:
        """Learn nothing."""

    def absorb(self, events: EventLog, pages: ShownPages) -> None:
        """Learn nothing."""

    def recommend(self, requests: PageRequests) -> Pages:
        """Pages drawn without repeats, and the chance of every draw."""
        queries, n_items = requests.queries, len(requests.available)
        allowed = np.tile(requests.available, (len(requests), 1))
        asker = np.repeat(np.arange(len(requests)), np.diff(queries.history_ptr))
        allowed[asker, queries.history_item] = False
        entity = queries.user_row.astype(np.int64)[:, None] * n_items + np.arange(n_items)
        when = np.repeat(queries.time_s, n_items)
        x = self._draws.uniform(entity.ravel(), when).reshape(allowed.shape)
        x = np.where(allowed, x, 2.0)
        k = min(requests.n_places, n_items)
        top = np.argpartition(x, k - 1, axis=1)[:, :k]
        top = np.take_along_axis(top, np.argsort(np.take_along_axis(x, top, axis=1), axis=1), 1)
        item = np.full((len(requests), requests.n_places), NO_ROW, np.int32)
        item[:, :k] = np.where(np.take_along_axis(allowed, top, axis=1), top, NO_ROW)
        left = allowed.sum(axis=1)[:, None] - np.arange(requests.n_places)
        chance = np.where(item >= 0, 1.0 / np.maximum(left, 1), 0.0)
        return Pages(item, chance.astype(np.float32))


class SourcePolicy:
    """Shows the best of a candidate source, and behind it those of a second one."""

    def __init__(
        self, source: CandidateSource, fallback: CandidateSource | None = None, *, hide_seen: bool
    ) -> None:
        """Ask `source`, and `fallback` for the places it leaves empty.

        Args:
            source: Not yet fitted.
            fallback: Not yet fitted.
            hide_seen: Leave out the user's last watches.
        """
        self._sources = [source] if fallback is None else [source, fallback]
        self._hide_seen = hide_seen

    def fit(self, dataset: Dataset, cut_s: int) -> None:
        """Fit the sources on the watches of a log."""
        watches = dataset.log.interactions(names=WATCHES)
        for source in self._sources:
            source.fit(watches, cut_s)

    def absorb(
        self,
        events: EventLog,
        pages: ShownPages,  # noqa: ARG002 - the protocol's; sources learn from watches alone
    ) -> None:
        """Let the sources absorb the watches."""
        watches: Interactions = events.interactions(names=WATCHES)
        if len(watches):
            for source in self._sources:
                source.absorb(watches)

    def recommend(self, requests: PageRequests) -> Pages:
        """The best items in order; nothing is drawn."""
        eligibility = Eligibility("hide" if self._hide_seen else "allow", requests.available)
        first, *others = self._sources
        k = requests.n_places
        item = first.retrieve(requests.queries, k, eligibility).item_row
        for source in others:
            short = np.asarray((item < 0).any(axis=1))
            if short.any():
                more = source.retrieve(_queries_of(requests.queries, short), k, eligibility)
                item = item.copy()
                item[short] = top_up(item[short], more.item_row)
        return Pages.certain(np.ascontiguousarray(item, np.int32))


def top_up(
    item: Int32[np.ndarray, "users k"], more: Int32[np.ndarray, "users more"]
) -> Int32[np.ndarray, "users k"]:
    """Rows with their empty places filled, in order, by items of `more` that they lack."""
    both = np.concatenate([item, more], axis=1)
    order = np.argsort(both, axis=1, kind="stable")
    ordered = np.take_along_axis(both, order, axis=1)
    repeats = np.zeros(both.shape, np.bool_)
    repeats[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    dropped = np.zeros(both.shape, np.bool_)
    np.put_along_axis(dropped, order, repeats, axis=1)
    dropped |= both < 0
    kept = np.take_along_axis(both, np.argsort(dropped, axis=1, kind="stable"), axis=1)
    n_kept = (~dropped).sum(axis=1)
    k = item.shape[1]
    filled: Int32[np.ndarray, "users k"]
    filled = np.where(np.arange(k) < n_kept[:, None], kept[:, :k], np.int32(NO_ROW))
    return filled.astype(np.int32)


def _queries_of(queries: Queries, which: Bool[np.ndarray, " users"]) -> Queries:
    lengths = np.diff(queries.history_ptr)
    seeds = np.repeat(which, lengths)
    ptr = np.concatenate([[0], np.cumsum(lengths[which])]).astype(np.int64)
    return Queries(
        queries.user_row[which],
        queries.time_s[which],
        ptr,
        queries.history_item[seeds],
        queries.history_time_s[seeds],
        queries.history_weight[seeds],
    )
