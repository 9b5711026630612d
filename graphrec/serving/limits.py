"""What a request may weigh."""

from pydantic import BaseModel, ConfigDict, Field


class DoorSettings(BaseModel):
    """What a request may weigh, and how many are taken on.

    By default nobody's rate is limited. Without keys all callers share one bucket. Each process
    counts for itself: with several workers a key has as many buckets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_bytes: int = Field(
        2 * 2**20, ge=2**10, le=2**28, description="Bytes that a body may have."
    )
    body_s: float = Field(
        20.0, gt=0, le=600, description="Seconds within which a body has to be there."
    )
    requests_per_s: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Requests a second that one key may send in the long run; null: any number.",
    )
    burst: int | None = Field(
        None,
        ge=1,
        le=10**6,
        description="Requests that a key may send at once after a pause, with `requests_per_s`; "
        "null: those of a second, at least 1.",
    )
    slates_at_once: int = Field(
        64,
        ge=1,
        le=100_000,
        description="Slates that are made or wait for a thread at one time; whoever asks for more "
        "is told to wait (429).",
    )
