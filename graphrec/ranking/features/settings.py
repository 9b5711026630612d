"""What of the features a caller may choose."""

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _ascending(hours: tuple[float, ...]) -> tuple[float, ...]:
    if any(later <= earlier for earlier, later in pairwise(hours)):
        raise ValueError(f"half-lives {hours} — shortest first, each once")
    return hours


Hours = Annotated[float, Field(gt=0, le=1_000_000)]
HalfLives = Annotated[tuple[Hours, ...], AfterValidator(_ascending)]


class FeatureSettings(BaseModel):
    """Scales and reaches of the features."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    popularity_hours: HalfLives = Field(
        (1.0, 24.0, 168.0, 720.0),
        min_length=1,
        max_length=12,
        description="Half-lives of an item's popularity, hours, shortest first.",
    )
    arrival_hours: HalfLives = Field(
        (1.0, 24.0, 168.0),
        min_length=1,
        max_length=12,
        description="Half-lives of the count of first visits to an item, hours, shortest first.",
    )
    newcomer_hours: tuple[Hours, ...] = Field(
        (24.0, 720.0),
        min_length=1,
        max_length=12,
        description="Half-lives of the count of users who started with an item, hours, shortest "
        "first.",
    )
    newest_visits: int = Field(
        16, ge=4, le=256, description="Newest events of an item whose users and times are kept."
    )
    group_hours: HalfLives = Field(
        (24.0, 720.0),
        min_length=1,
        max_length=12,
        description="Half-lives of a publisher's popularity, hours, shortest first.",
    )
    step_hours: Hours = Field(720.0, description="Half-life of a step from item to item, hours.")
    step_reach: int = Field(
        3, ge=1, le=20, description="Items back that make a step, a run counting once."
    )
    step_discount: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="What a step from one place further back counts, share."
    )
    recent_items: int = Field(
        8, ge=1, le=100, description="Distinct last items whose steps are looked up."
    )
    affinity_events: int = Field(
        64, ge=1, le=10_000, description="Newest events that make a user's taste for names."
    )
    rate_hours: Hours = Field(720.0, description="Half-life of what rates count, hours.")
    rate_prior: Annotated[float, Field(gt=0, le=10_000)] = Field(
        20.0, description="Events that the prior of a rate is worth."
    )
    value_prior: Annotated[float, Field(gt=0, le=10_000)] = Field(
        5.0, description="Values that the mean above is worth in a mean of values."
    )
