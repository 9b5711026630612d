"""What a request may weigh."""

from pydantic import BaseModel, ConfigDict, Field


class DoorSettings(BaseModel):
    """What a request may weigh."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_bytes: int = Field(
        2 * 2**20, ge=2**10, le=2**28, description="Bytes that a body may have."
    )
    body_s: float = Field(
        20.0, gt=0, le=600, description="Seconds within which a body has to be there."
    )
