"""Settings of the co-watch graph."""

from pydantic import BaseModel, ConfigDict, Field

from graphrec.graph.ageing import AgeingSettings


class CoWatchSettings(BaseModel):
    """Which pairs of events make an edge, what each is worth, and what time takes away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_hours: float = Field(
        default=24.0,
        ge=0,
        le=876_000,
        description="Greatest time from the first event of a pair to the second, hours.",
    )
    max_successors: int = Field(
        default=5,
        ge=1,
        le=255,
        description="Greatest number of places between the two in their user's sequence.",
    )
    weighted: bool = Field(
        default=False,
        description="Give a pair the product of its events' weights instead of 1.",
    )
    ageing: AgeingSettings = Field(
        default_factory=AgeingSettings, description="What time takes away."
    )
    max_neighbors: int | None = Field(
        default=None,
        ge=1,
        description="Read only this many heaviest edges of each node, ties to the lower item row; "
        "null reads all.",
    )

    @property
    def window_s(self) -> int:
        """Greatest time from the first event of a pair to the second, seconds."""
        return round(self.window_hours * 3600)

    @property
    def dated(self) -> bool:
        """Whether edges are held by cohort."""
        return self.ageing.cohort_s > 0

    @property
    def real(self) -> bool:
        """Whether pair strengths are real numbers rather than counts."""
        return self.weighted or self.ageing.half_life_s > 0
