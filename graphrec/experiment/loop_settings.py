"""What a simulation file may say of the pipeline: its sources, ranker, slate and what it learns."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.watch_next import WatchNextSettings
from graphrec.pipeline.loop_lists import ShownReplaySettings
from graphrec.pipeline.loop_outcomes import SatisfactionSettings
from graphrec.ranking.calibration import CalibrationMethod
from graphrec.ranking.features.settings import FeatureSettings
from graphrec.ranking.multi_objective_settings import MultiObjectiveSettings
from graphrec.ranking.objectives import ObjectiveWeights
from graphrec.retrieval.blend import BlendSettings, Quota
from graphrec.retrieval.fresh import FreshSettings
from graphrec.retrieval.own_items import OwnItemsSettings
from graphrec.retrieval.popular import PopularSettings
from graphrec.retrieval.trending import TrendingSettings
from graphrec.retrieval.walk_settings import RecentSeeds, WalkSettings
from graphrec.slate.settings import SlateSettings
from graphrec.stages import SeenPolicy

LoopSource = Literal["walk", "popular", "trending", "fresh", "own_items"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LoopRetrieval(_Settings):
    """Where candidates come from."""

    quotas: dict[LoopSource, Quota] = Field(
        {
            "walk": Quota(n=80),
            "popular": Quota(n=40),
            "fresh": Quota(n=40),
            "own_items": Quota(n=10, weight=0.3),
        },
        min_length=1,
        description="How much each source brings; one that is not named is not asked.",
    )
    blend: BlendSettings = Field(BlendSettings(), description="How lists are merged.")
    n_candidates: int = Field(120, ge=1, le=10_000, description="Candidates that are ranked.")
    seen: SeenPolicy = Field("allow", description="What happens to the user's last watches.")
    graph: CoWatchSettings = Field(CoWatchSettings(), description="The co-watch graph of `walk`.")
    walk: WalkSettings = Field(
        WalkSettings(n_steps=2_000, seeds=RecentSeeds(n=10)), description="The walks."
    )
    popular: PopularSettings = Field(
        PopularSettings(half_life_days=7), description="What `popular` counts."
    )
    trending: TrendingSettings = Field(TrendingSettings(), description="How use fades.")
    fresh: FreshSettings = Field(FreshSettings(), description="What counts as new.")
    own_items: OwnItemsSettings = Field(OwnItemsSettings(), description="How past events count.")


class LoopLearning(_Settings):
    """What the ranker learns, and from which pages."""

    features: FeatureSettings = Field(
        FeatureSettings(popularity_hours=(24.0, 168.0), arrival_hours=(24.0, 168.0)),
        description="Scales of the features.",
    )
    satisfaction: SatisfactionSettings = Field(
        SatisfactionSettings(), description="What satisfaction is, as far as it can be seen."
    )
    replay: ShownReplaySettings = Field(
        ShownReplaySettings(), description="Which pages of the warm-up are learnt from."
    )
    heads: MultiObjectiveSettings = Field(
        MultiObjectiveSettings(position_bias=True, max_epochs=25, patience=3, learning_rate=2e-3),
        description="The network: its heads, its widths, its training.",
    )
    held_out: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Last share of its lists, by which training stops and heads are calibrated.",
    )
    calibration: CalibrationMethod | None = Field(
        "log_odds", description="How heads become probabilities; null: as the network says."
    )
    least_clicks: int = Field(
        50, ge=1, le=1_000_000, description="With fewer watched places nothing is learnt."
    )


class LoopWatchNext(_Settings):
    """The value of what people go on to watch."""

    table: WatchNextSettings = Field(WatchNextSettings(), description="How it is learnt.")
    unit_minutes: float = Field(
        10.0, gt=0, le=100_000, description="Minutes watched afterwards that are one unit of value."
    )
    less: Literal["nothing", "mean", "category"] = Field(
        "mean",
        description="What is taken off: nothing, the mean over all watches (what is followed by "
        "less than usual is worth less, and objectives keep their weight beside each other), or "
        "the mean of the item's category, so that a taste for long videos is not taken for what "
        "an item brings about.",
    )


class PipelineChoice(_Settings):
    """Retrieval, a ranker of several objectives, and an arranged slate."""

    policy: Literal["pipeline"] = "pipeline"
    name: str | None = Field(None, min_length=1, description="Name in tables; by default its own.")
    retrieval: LoopRetrieval = Field(LoopRetrieval(), description="Where candidates come from.")
    learning: LoopLearning = Field(LoopLearning(), description="What the ranker learns.")
    weights: ObjectiveWeights = Field(
        ObjectiveWeights(), description="What each objective is worth, and what comes after."
    )
    watch_next: LoopWatchNext | None = Field(
        None, description="What comes after an item; null: not known, it counts 0."
    )
    n_arranged: int = Field(
        60, ge=1, le=10_000, description="Best ranked candidates that a page is arranged of."
    )
    slate: SlateSettings = Field(SlateSettings(), description="How a page is made.")
    retrain_days: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="The ranker learns again after so many days, from its own pages too; null: "
        "never.",
    )
