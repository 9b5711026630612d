"""Settings of the walk recommender, shared by the walks and by their exact form."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_DEPTH: Final = 63


class AllSeeds(BaseModel):
    """Walk from every distinct item of the history."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["all"] = "all"


class RecentSeeds(BaseModel):
    """Walk from the newest distinct items."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["recent"] = "recent"
    n: int = Field(20, ge=1, description="How many, newest first.")


class MedoidSeeds(BaseModel):
    """Walk from one representative each of a few groups of alike items.

    The history's newest distinct items are clustered by Ward's method; each cluster is represented
    by its medoid, and some clusters are drawn, the important ones more likely.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["medoids"] = "medoids"
    n_medoids: int = Field(3, ge=1, description="Clusters drawn for a request.")
    max_distance: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="Height at which Ward's tree is cut, unitless: items are unit vectors, so "
        "alike ones are 0 apart and those that share no neighbour 1.41.",
    )
    half_life_days: float = Field(
        30.0, gt=0, le=36_500, description="Days in which a past event's importance halves."
    )
    max_items: int = Field(
        1000, ge=2, le=5000, description="Newest distinct items that are clustered; cost is square."
    )


class EarlyStop(BaseModel):
    """Stop a seed's walks once enough of the items they visit were visited often."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_items: int = Field(100, ge=1, description="Items that have to be visited often.")
    n_visits: int = Field(4, ge=1, description="Visits from one seed that are often.")


Seeds = Annotated[AllSeeds | RecentSeeds | MedoidSeeds, Field(discriminator="kind")]
HalfLife = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]


class WalkSettings(BaseModel):
    """Where walks start, how far they go, how many there are, and what their visits are worth.

    The defaults were chosen on validation parts: demo-world's, where nothing speaks against them in
    movies-tmdb-small's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_steps: int = Field(
        10_000, ge=1, le=100_000_000, description="Steps of a request, shared among its seeds."
    )
    restart: float = Field(
        0.9, ge=0, le=1, description="Chance that a walk ends after a step, in [0, 1]."
    )
    max_depth: int = Field(8, ge=1, le=MAX_DEPTH, description="Most steps of one walk.")
    weight_power: float = Field(
        1.5,
        ge=0.1,
        le=8,
        description="A step takes an edge in proportion to this power of its weight: above 1, "
        "what was watched together once counts less beside what often was.",
    )
    seeds: Seeds = Field(RecentSeeds(), description="Which past items walks start from.")
    degree_budgets: bool = Field(
        False, description="Give seeds with more edges more steps (Pixie); else by weight only."
    )
    multi_hit_boost: bool = Field(
        False, description="Favour items that several seeds lead to: (sum of square roots) squared."
    )
    early_stop: EarlyStop | None = Field(None, description="When a seed's walks may stop early.")
    half_life_days: HalfLife | None = Field(
        None, description="A seed this many days older than the newest weighs half; null: never."
    )
    half_life_events: HalfLife | None = Field(
        3.0, description="A seed with this many newer events weighs half; null: never."
    )
    score_on: Literal["visits", "ends"] = Field(
        "visits", description="Count every item a walk visits, or the one where it ends."
    )
    overwalk: int = Field(
        16,
        ge=1,
        le=1024,
        description="Most times more steps when filters leave an answer short; 1: never.",
    )
    min_mass: float = Field(
        1e-5,
        ge=0,
        lt=1,
        description="The exact form drops paths of which less than this share of a seed's walks "
        "would be left.",
    )
    seed: int = Field(0, ge=0, lt=1 << 63, description="Equal seeds give equal answers.")
