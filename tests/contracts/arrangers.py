"""Every arranger, by what it is asked to do, for the suite of laws all of them obey."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphrec.events.catalogue import Catalogue
from graphrec.pipeline.asking import NamesArranger
from graphrec.slate.arranger import SlateArranger
from graphrec.slate.demotion import DemotionSettings, ShownMemory
from graphrec.slate.exploration import ArmCounts, ExplorationSettings
from graphrec.slate.facts import ItemFacts
from graphrec.slate.quotas import QuotaSettings
from graphrec.slate.rules import Pin, RuleSettings
from graphrec.slate.settings import SlateSettings
from graphrec.slate.similarity import SimilaritySettings
from graphrec.stages import Arranger
from tests.slate.catalogue import drawn_facts
from tests.worlds import small_dataset

N_ITEMS = 30
TIME_S = 1_000_000
PINS = (Pin(item_row=29, place=2), Pin(item_row=3, place=0), Pin(item_row=7, place=8))
QUOTAS = (
    QuotaSettings(group="publisher", at_most=1, places=5, apart=True),
    QuotaSettings(group="category", at_most=2, places=6),
)
RULES = RuleSettings(deny_items=(1, 2), remove_flags=("bad",), deny_keywords=(3,))
MIXED = SimilaritySettings(vectors=1, publisher=0.3, keywords=0.3)


def a_memory() -> ShownMemory:
    memory = ShownMemory()
    for user in range(4):
        memory.absorb(user, TIME_S - 5000, np.arange(user, 12, dtype=np.int32))
        memory.absorb(user, TIME_S - 50, np.arange(0, 5, dtype=np.int32))
    return memory


def some_counts() -> ArmCounts:
    counts = ArmCounts(N_ITEMS)
    arms = np.arange(200, dtype=np.int32) % N_ITEMS
    counts.absorb(arms, (np.arange(200) % 7 == 0).astype(float))
    return counts


@dataclass(frozen=True)
class ArrangerCase:
    label: str
    settings: SlateSettings
    facts: ItemFacts
    pinned: frozenset[int] = frozenset()
    diversity: float | None = None

    def make(self) -> Arranger:
        own = SlateArranger(self.facts, self.settings, memory=a_memory(), counts=some_counts())
        return own if self.diversity is None else own.asked(self.diversity, 10, 20)


@dataclass(frozen=True)
class NamesCase:
    """The arranger of pipelines without one, which reads the catalogue."""

    label: str
    column: Mapping[str, list[Any]]
    pinned: frozenset[int] = frozenset()

    def make(self) -> Arranger:
        keys = [f"i{row}" for row in range(N_ITEMS)]
        data = small_dataset([(1, "u", key) for key in keys], {"item_id": keys, **self.column})
        return NamesArranger(Catalogue(data, data.log.interactions()), 0.6)


def _case(label: str, facts: Callable[[], ItemFacts] = lambda: drawn_facts(2), **settings):
    chosen = SlateSettings(**settings)
    pinned = frozenset(pin.item_row for pin in chosen.rules.pins)
    return ArrangerCase(label, chosen, facts(), pinned)


def explore(**settings) -> ExplorationSettings:
    return ExplorationSettings(**settings)


ARRANGERS = [
    _case("as ranked"),
    _case("rules", rules=RULES),
    _case("pins", rules=RuleSettings(pins=PINS)),
    _case("mmr", diversity="mmr", similarity=MIXED),
    _case("dpp", diversity="dpp", similarity=MIXED),
    _case("demotion by factors", demotion=DemotionSettings()),
    _case("demotion by places", demotion=DemotionSettings(mode="places")),
    _case("quotas", quotas=QUOTAS),
    _case("epsilon", exploration=explore(method="epsilon", epsilon=0.5)),
    _case("softmax of topics", exploration=explore(method="softmax", level="category")),
    _case("thompson", exploration=explore(method="thompson")),
    _case(
        "everything",
        rules=RULES.model_copy(update={"pins": PINS}),
        demotion=DemotionSettings(),
        diversity="mmr",
        similarity=MIXED,
        exploration=explore(method="thompson", level="category"),
        quotas=QUOTAS,
    ),
    _case(
        "everything, nothing known",
        lambda: ItemFacts(N_ITEMS),
        rules=RuleSettings(deny_publishers=(1,), remove_flags=("bad",), allow_keywords=(2,)),
        demotion=DemotionSettings(),
        diversity="dpp",
        similarity=MIXED,
        exploration=explore(method="softmax", level="category"),
        quotas=QUOTAS,
    ),
    _case(
        "fewer items known than there are",
        lambda: drawn_facts(2, 12),
        diversity="mmr",
        similarity=MIXED,
        exploration=explore(method="epsilon", level="category"),
        quotas=QUOTAS,
    ),
    replace(_case("asked, of nothing set", quotas=QUOTAS), diversity=0.7),
    replace(
        _case("asked, drawn", diversity="dpp", exploration=explore(method="softmax")), diversity=0.2
    ),
    replace(_case("asked, fewer known", lambda: drawn_facts(2, 12)), diversity=1.0),
    NamesCase("names", {"publisher": ([["P"], ["Q"], None] * N_ITEMS)[:N_ITEMS]}),
    NamesCase("no names", {"title": ["T"] * N_ITEMS}),
]
