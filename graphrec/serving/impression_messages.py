"""Lists that were shown: what callers send of them and what they get."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from graphrec.events.ids import Key
from graphrec.serving.messages import Id, Problem, Text

MAX_SHOWN = 200


class ImpressionIn(BaseModel):
    """A list that somebody was shown."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "impression_id": "4f0c9c52-6a3e-4a58-9d2b-0b0d6a0f8f11",
                    "user_id": "user-17",
                    "time_s": 1764000000,
                    "shown": ["video-2", "video-9", "video-4"],
                    "clicked": ["video-9"],
                }
            ]
        },
    )

    impression_id: Text = Field(
        description="The caller's id of it, such as a slate's `slate_id`: the same impression sent "
        "again is known by it, and stored once. So send it when its clicks are known."
    )
    user_id: Id | None = Field(None, description="To whom; null: somebody anonymous.")
    time_s: int | None = Field(
        None, strict=True, ge=0, le=2**40, description="When, UTC seconds; left out: now."
    )
    shown: list[Id] = Field(
        min_length=1, max_length=MAX_SHOWN, description="Items in the order of display, each once."
    )
    clicked: list[Id] = Field(
        [], max_length=MAX_SHOWN, description="Those of them that were clicked, each once."
    )

    @field_validator("shown", "clicked")
    @classmethod
    def _each_once(cls, items: list[Key]) -> list[Key]:
        if len(set(items)) < len(items):
            again = next(item for place, item in enumerate(items) if item in items[:place])
            raise ValueError(f"{again!r} stands there twice — each item once")
        return items

    @field_validator("clicked")
    @classmethod
    def _was_shown(cls, clicked: list[Key], info: ValidationInfo) -> list[Key]:
        if strange := set(clicked) - set(info.data.get("shown", clicked)):
            raise ValueError(f"{min(strange, key=str)!r} was not shown — only shown items")
        return clicked


class ImpressionOut(BaseModel):
    """What became of one impression."""

    impression_id: str | None = Field(description="Its id, if it had one.")
    outcome: Literal["stored", "repeated", "conflicting", "refused"] = Field(
        description="stored: durable now. repeated: the same was durable before. conflicting: its "
        "id stands for another impression; not stored. refused: not stored, see `problems`."
    )
    seq: int | None = Field(None, ge=1, description="Its number in the log.", examples=[4711])
    problems: list[Problem] = Field([], description="Why it was refused.")


class ImpressionsOut(BaseModel):
    """What became of the impressions of one call, in their order."""

    results: list[ImpressionOut]
    seq: int | None = Field(
        ge=1,
        description="Newest number of what is durable; the status' counts know of it once its "
        "`seq` is as high.",
        examples=[4711],
    )
