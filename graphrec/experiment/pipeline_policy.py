"""The whole pipeline as a policy: retrieve, look closer, blend objectives, arrange, remember."""

import json
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Int64

from graphrec.arrays import DAY_S
from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.events.log import EventLog
from graphrec.events.world.policy import PageRequests, Pages, ShownPages
from graphrec.experiment.loop_memory import LoopMemory
from graphrec.experiment.loop_ranker import Shelf, TrainedHeads, train_heads
from graphrec.experiment.loop_settings import PipelineChoice
from graphrec.experiment.loop_stages import (
    build_blend,
    catalogue_columns,
    counted,
    known_watches,
    loop_facts,
    loop_feature_inputs,
    pages_of_table,
    streams_of,
)
from graphrec.pipeline.loop_lists import (
    KnownWatches,
    drawn_pages,
    join_lists,
    lists_of_pages,
    relive_pages,
)
from graphrec.pipeline.loop_outcomes import CatalogueColumns, PageOutcomes, outcomes_of_pages
from graphrec.ranking.features.builder import FeatureBuilder
from graphrec.ranking.learned import LearnedRanker
from graphrec.ranking.training_set import RankingSet
from graphrec.retrieval.blend import BlendedSource
from graphrec.slate.arranger import SlateArranger
from graphrec.slate.facts import ItemFacts
from graphrec.slate.settings import SlateSettings
from graphrec.stages import Candidates, Eligibility, Queries


@dataclass(slots=True)
class _Stages:
    """What a fit makes."""

    items: CatalogueColumns
    blend: BlendedSource
    builder: FeatureBuilder
    memory: LoopMemory
    arranger: SlateArranger
    ranker: LearnedRanker | None = None


@dataclass(slots=True)
class _Diary:
    """What a policy keeps in order to learn from its own pages."""

    first: RankingSet | None
    log: list[EventLog]
    trained_s: int
    told_s: int
    waiting: dict[tuple[int, int], Float32[np.ndarray, "places features"]]
    pages: list[tuple[ShownPages, Float32[np.ndarray, "pages places features"]]]


class PipelinePolicy:
    """Fills pages by the whole pipeline, and learns from what it is told and from nothing else.

    `notes` says what it does without.
    """

    def __init__(self, choice: PipelineChoice, seed: int, shelf: Shelf | None = None) -> None:
        """Be ready to be fitted.

        Args:
            choice: Its settings.
            seed: Mixed into the seed of exploration.
            shelf: Shared by policies that are fitted on the same log: those that learn alike take
                what the first of them learnt.
        """
        self._choice = choice
        self._seed = seed
        self._shelf = {} if shelf is None else shelf
        self._fitted: tuple[_Stages, _Diary] | None = None
        self.notes: tuple[str, ...] = ()

    def fit(self, dataset: Dataset, cut_s: int) -> None:
        """Forget everything; train on the shown pages of a log, then know all of it."""
        choice, items, log = self._choice, catalogue_columns(dataset), dataset.log
        watches = known_watches(log, items)
        watches = replace(watches, events=counted(watches.events))
        pages, outcomes = self._pages(dataset, items)
        blend = build_blend(choice.retrieval, dataset)
        inputs = loop_feature_inputs(
            dataset,
            tuple(source.name for source in blend.sources),
            streams_of(pages, log, items),
        )
        builder = FeatureBuilder(inputs, choice.learning.features)
        heads = self._learn(blend, builder, watches, (pages, outcomes), cut_s)
        blend.fit(watches.events, cut_s)
        builder.fit(watches.events, cut_s)
        facts, slate = loop_facts(dataset), _seeded(choice.slate, self._seed)
        memory = LoopMemory(slate, choice.watch_next, items, dict(facts.groups))
        memory.absorb(log, pages)
        arranger = _arranger(facts, slate, memory)
        stages = _Stages(items, blend, builder, memory, arranger)
        self._fitted = stages, _Diary(heads.lists, [log], cut_s, cut_s, {}, [])
        self._use(heads)

    def absorb(self, events: EventLog, pages: ShownPages) -> None:
        """Let every stage learn from what was over; train again when that is due."""
        stages, diary = self._ready()
        watches = events.interactions(names=("watch",))
        if len(watches):
            stages.blend.absorb(watches)
            stages.builder.absorb(watches)
        for name, more in streams_of(pages, events, stages.items).items():
            if len(more):
                stages.builder.absorb_stream(name, more)
        stages.memory.absorb(events, pages)
        if self._choice.retrain_days is not None:
            self._keep(diary, events, pages)
            if diary.told_s - diary.trained_s >= self._choice.retrain_days * DAY_S:
                self._learn_again(stages, diary)

    def recommend(self, requests: PageRequests) -> Pages:
        """Pages of the pipeline, and the chance of every draw."""
        stages, diary = self._ready()
        queries, retrieval = requests.queries, self._choice.retrieval
        eligibility = Eligibility(retrieval.seen, requests.available)
        found = stages.blend.retrieve(queries, retrieval.n_candidates, eligibility)
        if stages.ranker is not None:
            found = stages.ranker.rank(queries, found)
        found = found.first(self._choice.n_arranged)
        slate = stages.arranger.arrange(queries, found, requests.n_places)
        if self._choice.retrain_days is not None:
            self._note(stages, diary, queries, slate.shown)
        item_row = np.ascontiguousarray(slate.shown.item_row)
        if slate.propensity is None:
            return Pages.certain(item_row)
        return Pages(item_row, np.where(item_row >= 0, slate.propensity, np.float32(0)))

    def _pages(self, dataset: Dataset, items: CatalogueColumns) -> tuple[ShownPages, PageOutcomes]:
        pages = pages_of_table(dataset)
        outcomes = outcomes_of_pages(pages, dataset.log, items, self._choice.learning.satisfaction)
        return replace(pages, end_s=outcomes.over_s), outcomes

    def _learn(
        self,
        blend: BlendedSource,
        builder: FeatureBuilder,
        watches: KnownWatches,
        shown: tuple[ShownPages, PageOutcomes],
        cut_s: int,
    ) -> TrainedHeads:
        """What the settings teach of the log: from the shelf, or from pages lived through again."""
        settings = self._choice.learning
        parts = self._choice.retrieval, settings
        key = json.dumps([part.model_dump(mode="json") for part in parts])
        if key not in self._shelf:
            pages, outcomes = shown
            drawn = drawn_pages(pages, outcomes, cut_s, settings.replay)
            pages, outcomes = pages_at(pages, drawn), outcomes.take(drawn)
            features = relive_pages(blend, builder, watches, pages, settings.replay)
            lists = lists_of_pages(pages, outcomes, builder.names, features)
            self._shelf[key] = train_heads(lists, settings)
        return self._shelf[key]

    def _use(self, heads: TrainedHeads) -> None:
        stages, _ = self._ready()
        self.notes = heads.notes
        if heads.model is None:
            return
        stages.ranker = LearnedRanker(
            stages.builder,
            heads.model.with_weights(self._choice.weights),
            value_after=None if self._choice.watch_next is None else stages.memory.value_after,
        )

    def _note(self, stages: _Stages, diary: _Diary, queries: Queries, shown: Candidates) -> None:
        """Keep the features of what is shown, as of now."""
        features = stages.builder.build(queries, shown)
        for user, time_s, of_page in zip(
            queries.user_row.tolist(), queries.time_s.tolist(), features, strict=True
        ):
            diary.waiting[user, time_s] = of_page

    def _keep(self, diary: _Diary, events: EventLog, pages: ShownPages) -> None:
        """Join pages that are over with the features they were shown for."""
        diary.log.append(events)
        if len(events):
            diary.told_s = max(diary.told_s, int(events.time_s[-1]))
        keys = list(zip(pages.user_row.tolist(), pages.time_s.tolist(), strict=True))
        mine = np.array([key in diary.waiting for key in keys], np.bool_)
        if mine.any():
            features = [diary.waiting.pop(key) for key, own in zip(keys, mine, strict=True) if own]
            diary.pages.append((pages_at(pages, mine), np.stack(features)))

    def _learn_again(self, stages: _Stages, diary: _Diary) -> None:
        """Train on the newest pages, of the warm-up and of its own."""
        diary.trained_s = diary.told_s
        settings = self._choice.learning
        log = _joined_log(diary.log)
        parts = [] if diary.first is None else [diary.first]
        for pages, features in diary.pages:
            outcomes = outcomes_of_pages(pages, log, stages.items, settings.satisfaction)
            parts.append(lists_of_pages(pages, outcomes, stages.builder.names, features))
        lists = join_lists(parts)
        n = min(lists.n_lists, settings.replay.n_lists)
        self._use(train_heads(lists.lists_between(lists.n_lists - n, lists.n_lists), settings))

    def _ready(self) -> tuple[_Stages, _Diary]:
        if self._fitted is None:
            raise DataError("the pipeline was asked before it was fitted — fit it first")
        return self._fitted


def pages_at(
    pages: ShownPages, which: Int64[np.ndarray, " some"] | Bool[np.ndarray, " pages"]
) -> ShownPages:
    """Some of the pages, in order."""
    return ShownPages(*(getattr(pages, name)[which] for name in ShownPages.__slots__))


def _arranger(facts: ItemFacts, slate: SlateSettings, memory: LoopMemory) -> SlateArranger:
    return SlateArranger(facts, slate, memory=memory.shown, counts=memory.counts)


def _seeded(slate: SlateSettings, seed: int) -> SlateSettings:
    """The same slates, with draws that differ from world to world."""
    mixed = (slate.exploration.seed ^ (seed * 0x9E3779B1)) & (2**63 - 1)
    return slate.model_copy(
        update={"exploration": slate.exploration.model_copy(update={"seed": mixed})}
    )


def _joined_log(parts: list[EventLog]) -> EventLog:
    columns = ("time_s", "edge_type", "source_row", "target_row", "weight")
    time_s, *others = (np.concatenate([getattr(part, name) for part in parts]) for name in columns)
    order = np.argsort(time_s, kind="stable")
    kind, source, target, weight = (column[order] for column in others)
    return replace(
        parts[0],
        time_s=time_s[order],
        edge_type=kind,
        source_row=source,
        target_row=target,
        weight=weight,
        event_id=None,
    )
