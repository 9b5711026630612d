"""What can be asked of slates in a URL: parameters with ranges and examples."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from graphrec.errors import DataError
from graphrec.events.ids import Key
from graphrec.pipeline import Request
from graphrec.retrieval.filters import ItemFilters
from graphrec.serving.asking import SlateQuestion, weights_in
from graphrec.serving.cursors import MOST_LETTERS
from graphrec.serving.messages import MAX_K, MAX_SESSION
from graphrec.stages import SeenPolicy

_Words = Annotated[str, Field(max_length=1000)]
PathId = Annotated[str, Field(max_length=256, examples=["user-17"])]


class SlateParameters(BaseModel):
    """What may be asked of any slate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: int = Field(10, ge=1, le=MAX_K, description="Places.", examples=[10])
    seen: SeenPolicy = Field(
        "hide",
        description="Items of the history: hide them, allow them, or show only_again such.",
        examples=["hide"],
    )
    deny: list[Key] = Field(
        [], max_length=1000, description="Never these items.", examples=[["video-3"]]
    )
    publisher: list[_Words] = Field(
        [], max_length=100, description="Only items of one of these.", examples=[["Post"]]
    )
    keyword: list[_Words] = Field(
        [], max_length=100, description="Only items with one of these.", examples=[["chess"]]
    )
    max_age_days: float | None = Field(
        None,
        ge=0,
        le=36_500,
        allow_inf_nan=False,
        description="Published at most so many days ago.",
        examples=[30.0],
    )
    diversity: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Weight of unlikeness against relevance: 0 shows items as they are ranked, 1 "
        "as unlike each other as possible; left out: as the pipeline is set.",
        examples=[0.4],
    )
    objective: list[_Words] = Field(
        [],
        max_length=20,
        description="Weights as name:weight, from -1000 to 1000, over the pipeline's own, such as "
        "relevance:1 and freshness:0.5; GET /v1/admin/status names those there are.",
        examples=[["freshness:0.5"]],
    )
    reasons: bool = Field(True, description="Whether to tell reasons.", examples=[True])
    cursor: str | None = Field(
        None,
        min_length=1,
        max_length=MOST_LETTERS,
        description="`next_cursor` of the page before: items that it or pages before it showed do "
        "not come again, whatever happened since. Pages reach to 1000 items.",
    )

    @field_validator("objective")
    @classmethod
    def _pairs(cls, said: list[str]) -> list[str]:
        try:
            weights_in(said)
        except DataError as error:
            raise ValueError(str(error)) from None
        return said

    def question(self, items: tuple[Key, ...] = ()) -> SlateQuestion:
        """The question, after a visit to `items`, newest first."""
        filters = ItemFilters(
            deny=tuple(self.deny),
            publishers=tuple(self.publisher),
            keywords=tuple(self.keyword),
            max_age_days=self.max_age_days,
        )
        request = Request(self.k, self.seen, filters, self.diversity, weights_in(self.objective))
        return SlateQuestion(request, items, self.reasons, self.cursor)


class VisitParameters(SlateParameters):
    """The same, and what the visit did so far."""

    item: list[Annotated[str, Field(max_length=256)]] = Field(
        [],
        max_length=MAX_SESSION,
        description="Items of this visit so far, newest first, before what is known of the user; "
        "those told as events, too, count twice.",
        examples=[["video-2", "video-9"]],
    )

    def whole(self) -> SlateQuestion:
        """The question after the visit."""
        return self.question(tuple(self.item))
