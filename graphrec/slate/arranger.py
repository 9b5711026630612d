"""The arranger: rules, demotion, diversity, exploration, quotas and pins in one fixed order."""

import copy
from collections import Counter

import numpy as np
from jaxtyping import Float64, Int32, Int64

from graphrec.errors import DataError
from graphrec.slate.demotion import ShownMemory, demote, times_shown
from graphrec.slate.dpp import order_by_dpp
from graphrec.slate.exploration import ArmCounts, Arms, Explorer
from graphrec.slate.facts import ItemFacts, learnt
from graphrec.slate.filling import Filled, fill_places
from graphrec.slate.layout import Placed, lay_out
from graphrec.slate.mmr import order_by_mmr
from graphrec.slate.quotas import QuotaCount
from graphrec.slate.relevance import scale_relevance
from graphrec.slate.rules import Rules
from graphrec.slate.settings import SlateSettings
from graphrec.slate.similarity import ItemSimilarity, SimilaritySettings
from graphrec.stages import Candidates, Decision, DescribedItems, Queries, Slate


class SlateArranger:
    """Makes slates of ranked candidates.

    In this order: rules remove items; items shown before sink; the first places are diversified;
    then places are filled from the top, each drawn (exploration) among what the quotas and the pins
    leave open there, so that logged propensities are exact. After diversity, a candidate counts for
    a draw with the relevance of its place, so that draws keep to the diverse order.

    What is not known of items is done without, and noted.
    """

    def __init__(
        self,
        facts: ItemFacts,
        settings: SlateSettings,
        *,
        memory: ShownMemory | None = None,
        counts: ArmCounts | None = None,
    ) -> None:
        """Make ready for queries.

        Args:
            facts: What is known of items.
            settings: How slates are made.
            memory: What users were shown, for demotion; read, never written.
            counts: Clicks of arms, for Thompson sampling; read, never written.

        Raises:
            SettingsError: A pinned item has no row.
        """
        self._n_known = facts.n_items
        self._facts = facts
        self._settings = settings
        self._memory = memory
        self._counts = counts
        self._rules = Rules(facts, settings.rules)
        self._similarity = ItemSimilarity(facts, settings.similarity)
        self._by_candidates = False
        self._n_before = 0
        self._notes = self._standing_notes()

    def grow(self, n_items: int) -> None:
        """Have room for items up to row `n_items - 1`, of which nothing is known.

        Slates of such items are made without it, too, each at the cost of all that is known.
        """
        if n_items > self._facts.n_items:
            # A quarter to spare, so that new items do not each copy the whole.
            self._facts = self._facts.widened(n_items + n_items // 4)
            self._rules = Rules(self._facts, self._settings.rules)
            if not self._by_candidates:
                self._similarity = ItemSimilarity(self._facts, self._settings.similarity)

    def learn_items(self, items: DescribedItems) -> None:
        """Replace the publishers and keywords of items, where the catalogue has any.

        A rule is of those names that its settings named at first.
        """
        self._facts = learnt(self._facts, items)
        self._rules = Rules(self._facts, self._settings.rules)
        self._similarity.learn_items(self._facts, items)

    def asked(self, diversity: float | None, k: int, n_before: int = 0) -> "SlateArranger":
        """The same as one question wants it; facts, rules, memory and counts are shared.

        Args:
            diversity: Weight of unlikeness in [0, 1], 0 for the ranking as it is; None: as set.
                Where the settings diversify nothing, it is by vectors, or else by publishers and
                keywords.
            k: Places.
            n_before: Places of earlier pages, whose draws are not drawn again.
        """
        other = copy.copy(self)
        other._n_before = n_before
        if diversity is None:
            return other
        settings = self._settings.as_diverse(diversity, min(max(k, 1), 1000))
        if self._settings.diversity == "none" and diversity > 0:
            settings = settings.model_copy(update={"similarity": _similarity_of(self._facts)})
            nobody = self._facts.taken(np.empty(0, np.int32))
            other._similarity = ItemSimilarity(nobody, settings.similarity)
            other._by_candidates = True
        other._settings = settings
        other._notes = other._standing_notes()
        return other

    def arrange(self, queries: Queries, candidates: Candidates, k: int) -> Slate:
        """Make a slate of at most `k` places for each query.

        Equal queries and candidates give equal slates while `memory` and `counts` stand still.

        Raises:
            DataError: `k` is negative, or there is not one row of candidates for each query.
        """
        if k < 0 or len(candidates.item_row) != len(queries):
            raise DataError(
                f"k = {k} for {len(queries)} queries with {len(candidates.item_row)} rows of "
                "candidates — k is at least 0, and every query has a row"
            )
        n_needed = int(candidates.item_row.max(initial=-1)) + 1
        if n_needed > self._facts.n_items:
            wider = copy.copy(self)
            wider.grow(n_needed)
            return wider.arrange(queries, candidates, k)
        decisions: list[Decision] = []
        tally: Counter[str] = Counter()
        placed = [
            self._arrange_one(queries, query, candidates, k, (decisions, tally))
            for query in range(len(queries))
        ]
        shown, propensity = lay_out(candidates, placed, k)
        notes = (*candidates.notes, *self._notes)
        if n_needed > self._n_known:
            notes += (f"nothing is known of item rows from {self._n_known} on",)
        notes += tuple(f"{what} ({n} of {len(queries)} queries)" for what, n in tally.items())
        is_drawn = self._settings.exploration.method != "none"
        return Slate(shown, notes, propensity if is_drawn else None, tuple(decisions))

    def _arrange_one(
        self,
        queries: Queries,
        query: int,
        candidates: Candidates,
        k: int,
        log: tuple[list[Decision], Counter[str]],
    ) -> Placed:
        decisions, tally = log
        column = np.flatnonzero(candidates.item_row[query] >= 0)
        n_found = len(column)
        column = column[self._rules.keep(query, candidates.item_row[query][column], decisions)]
        if not len(column):
            tally["rules leave no candidate" if n_found else "no candidates"] += 1
        items = candidates.item_row[query][column]
        relevance = scale_relevance(candidates.score[query][column], self._settings.scaling)
        order, relevance = self._demote(queries, query, items, relevance, decisions)
        order = order[self._diversify(items[order], relevance)]
        column, items = column[order], items[order]
        pins = self._rules.pins_at(query, int(queries.time_s[query]), k, decisions)
        entries, pinned = _with_pins(items, pins)
        chance = self._chance(queries, query, entries, relevance)
        codes = {name: of[entries] for name, of in self._quota_columns().items()}
        quotas = QuotaCount(self._settings.quotas, codes, pinned)
        filled = fill_places(k, len(items), pinned, quotas, chance)
        _note_quotas(filled, entries, query, log)
        return Placed(
            entries[[draw.entry for draw in filled.draws]],
            np.array([column[d.entry] if d.entry < len(column) else -1 for d in filled.draws], int),
            np.array([draw.propensity for draw in filled.draws], np.float32),
        )

    def _demote(
        self,
        queries: Queries,
        query: int,
        items: Int32[np.ndarray, " kept"],
        relevance: Float64[np.ndarray, " kept"],
        decisions: list[Decision],
    ) -> tuple[Int64[np.ndarray, " kept"], Float64[np.ndarray, " kept"]]:
        settings = self._settings.demotion
        if settings is None or self._memory is None:
            return np.arange(len(items)), relevance
        times = times_shown(self._memory, queries, query, items)
        if not times.any():
            return np.arange(len(items)), relevance
        order, sunk = demote(relevance, times, settings)
        for place, at in enumerate(order.tolist()):
            if times[at] > 0 and place > at:
                detail = f"shown {times[at]:.2f} times, place {at} to {place}"
                decisions.append(Decision(query, int(items[at]), "demotion", "moved", detail))
        return order, sunk

    def _diversify(
        self, items: Int32[np.ndarray, " kept"], relevance: Float64[np.ndarray, " kept"]
    ) -> Int64[np.ndarray, " kept"]:
        settings = self._settings
        if settings.diversity == "none" or not self._similarity.is_known:
            return np.arange(len(items))
        if self._by_candidates:
            # Unit vectors of the whole catalogue take long: a question makes those it needs.
            similarity = ItemSimilarity(self._facts.taken(items), settings.similarity)
            likeness = similarity.among(np.arange(len(items), dtype=np.int32))
        else:
            likeness = self._similarity.among(items)
        if settings.diversity == "mmr":
            return order_by_mmr(relevance, likeness, settings.mmr)
        return order_by_dpp(relevance, likeness, settings.dpp)

    def _chance(
        self,
        queries: Queries,
        query: int,
        entries: Int32[np.ndarray, " entries"],
        relevance: Float64[np.ndarray, " kept"],
    ) -> tuple[Explorer, Arms] | None:
        settings = self._settings.exploration
        if settings.method == "none":
            return None
        by_item = settings.level == "item" or settings.level not in self._facts.groups
        arm = entries if by_item else self._facts.groups[settings.level][entries]
        nothing = np.zeros(len(entries))
        clicks, skips = (nothing, nothing) if self._counts is None else self._counts.read(arm)
        padded = np.zeros(len(entries))
        padded[: len(relevance)] = relevance
        explorer = Explorer(settings, queries, query, self._n_before)
        return explorer, Arms(arm, padded, clicks, skips, by_item)

    def _quota_columns(self) -> dict[str, Int32[np.ndarray, " items"]]:
        groups = self._facts.groups
        return {q.group: groups[q.group] for q in self._settings.quotas if q.group in groups}

    def _standing_notes(self) -> tuple[str, ...]:
        settings, groups = self._settings, self._facts.groups
        notes = list(self._rules.notes)
        if settings.diversity != "none":
            notes += self._similarity.notes
            if not self._similarity.is_known:
                notes.append("no similarity of items is known: slates are not diversified")
        if settings.demotion is not None and self._memory is None:
            notes.append("no memory of what was shown: nothing is demoted")
        explored = settings.exploration
        if explored.method != "none" and explored.level not in ("item", *groups):
            notes.append(f"no {explored.level} of items: items are drawn one by one")
        if explored.method == "thompson" and self._counts is None:
            notes.append("no counts of clicks: all arms are drawn by the prior")
        notes += [
            f"no {quota.group} of items: its quota is not applied"
            for quota in settings.quotas
            if quota.group not in groups
        ]
        return tuple(notes)


def _similarity_of(facts: ItemFacts) -> SimilaritySettings:
    """Vectors where there are any, else publishers and keywords, as far as they are known."""
    if facts.vectors is not None:
        return SimilaritySettings()
    return SimilaritySettings(
        vectors=0,
        publisher=float("publisher" in facts.groups),
        keywords=float(facts.keyword is not None),
    )


def _with_pins(
    items: Int32[np.ndarray, " kept"], pins: dict[int, int]
) -> tuple[Int32[np.ndarray, " entries"], dict[int, int]]:
    """The items with those that are only pinned behind them, and the entry pinned to each place."""
    if not pins:
        return items, {}
    outside = [item for item in pins.values() if item not in items]
    entries = np.concatenate([items, np.array(outside, np.int32)])
    return entries, {place: int(np.argmax(entries == item)) for place, item in pins.items()}


def _note_quotas(
    filled: Filled,
    entries: Int32[np.ndarray, " entries"],
    query: int,
    log: tuple[list[Decision], Counter[str]],
) -> None:
    decisions, tally = log
    decisions += [
        Decision(query, int(entries[entry]), rule, "moved", "held back by items above it")
        for entry, rule in filled.passed.items()
    ]
    tally.update({f"quota relaxed: {names}" for names in filled.relaxed.values()})
