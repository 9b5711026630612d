"""What callers send and what they get: the JSON of the HTTP door, with ranges and examples."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from graphrec.events.ids import Key

MAX_EVENTS = 1000
MAX_K = 200
MAX_SESSION = 200
Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Id = (
    Annotated[int, Field(strict=True, ge=-(2**53), le=2**53)]
    | Annotated[
        str, StringConstraints(strict=True, min_length=1, max_length=256, pattern=r"^[^\x00]*$")
    ]
)


class EventIn(BaseModel):
    """Something that somebody did with an item."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "event_id": "5f1c-1",
                    "event_type": "watch",
                    "user_id": "user-17",
                    "item_id": "video-2",
                    "time_s": 1764000000,
                }
            ]
        },
    )

    event_id: Text = Field(
        description="The caller's id of it: the same event sent again is known by it, and stored "
        "once."
    )
    event_type: Text = Field(description="Such as `watch`; one of those the log knows.")
    user_id: Id = Field(description="Who; a new id is a new user.")
    item_id: Id = Field(description="What with; a new id is a new item.")
    time_s: int | None = Field(
        None,
        strict=True,
        ge=0,
        le=2**40,
        description="When, UTC seconds; left out: now. Late events are welcome.",
    )
    weight: float = Field(
        1.0, ge=0, le=1e6, allow_inf_nan=False, description="Strength or rating, unitless."
    )


class Problem(BaseModel):
    """What is wrong with one field of what was sent."""

    field: str = Field(description="Where.", examples=["time_s"])
    value: str = Field(description="What stood there, cut to 100 letters.", examples=["-1"])
    rule: str = Field(
        description="What it has to meet.",
        examples=["Input should be greater than or equal to 0"],
    )


class EventOut(BaseModel):
    """What became of one event."""

    event_id: str | None = Field(description="Its id, if it had one.", examples=["5f1c-1"])
    outcome: Literal["stored", "repeated", "conflicting", "refused"] = Field(
        description="stored: durable now. repeated: the same was durable before. conflicting: its "
        "id stands for another event; not stored. refused: not stored, see `problems`."
    )
    seq: int | None = Field(None, ge=1, description="Its number in the log.", examples=[4711])
    problems: list[Problem] = Field([], description="Why it was refused.")


class EventsOut(BaseModel):
    """What became of the events of one call, in their order."""

    results: list[EventOut]
    seq: int | None = Field(
        ge=1,
        description="Newest number of what is durable; slates whose `seq` is as high know of it.",
        examples=[4711],
    )


class ReasonOut(BaseModel):
    """Why an item stands there."""

    kind: str = Field(description="item, publisher or keyword.", examples=["item"])
    id: Key = Field(description="Id of the past item, or the name.", examples=["video-7"])
    name: str = Field(description="Its title, or the name.", examples=["How tea is grown"])
    share: float | None = Field(
        None, description="Its share of what speaks for the item, 0 to 1.", examples=[0.4]
    )


class ItemOut(BaseModel):
    """One place of a slate."""

    item_id: Key = Field(description="The item.", examples=["video-2"])
    title: str = Field(description="Its title, or its id.", examples=["Tea at home"])
    score: float = Field(
        description="Higher is better; comparable within one slate only.", examples=[0.031]
    )
    found_by: list[str] = Field(description="Sources that brought it.", examples=[["walk"]])
    reasons: list[ReasonOut] = Field(
        description="What in the past brought it; empty where that was not wanted."
    )
    propensity: float | None = Field(
        description="Chance with which it stands there, 0 to 1, if drawn.", examples=[0.25]
    )


class SlateOut(BaseModel):
    """Recommendations, best first."""

    slate_id: str = Field(
        description="A new id of this slate; send it back as `impression_id` once it was shown.",
        examples=["4f0c9c52-6a3e-4a58-9d2b-0b0d6a0f8f11"],
    )
    items: list[ItemOut]
    next_cursor: str | None = Field(
        description="Send it back as `cursor` for the next page; null: the slate came out short, "
        "so there is nothing more; a full last page is followed by an empty one.",
        examples=["AaT0d2xmK3hhkpaLVkrMLVayUlDKSsxOVIoFADf_BcI"],
    )
    notes: list[str] = Field(description="What was done without, such as a source that failed.")
    seq: int = Field(
        ge=0,
        description="The slate knows all entries of the log up to this number.",
        examples=[4711],
    )
    time_s: int = Field(description="As of when, UTC seconds.", examples=[1764000000])


class WatchedOut(BaseModel):
    """One item of a history."""

    item_id: Key
    title: str


class HistoryOut(BaseModel):
    """What a user did, newest first."""

    items: list[WatchedOut]
    seq: int


class ForgottenOut(BaseModel):
    """What forgetting a user removed."""

    n_removed: int = Field(description="Entries of the log that are gone.")
    seq: int = Field(description="Slates whose `seq` is as high know nobody of that id.")


class StatusOut(BaseModel):
    """How the engine is."""

    ready: bool
    seq: int = Field(description="Newest entry that slates know of.")
    n_users: int
    n_items: int
    n_edges: int | None = Field(None, description="Edges of the co-watch graph, if there is one.")
    n_skipped: int = Field(description="Entries that could not be learnt.")
    n_behind: int = Field(
        ge=0,
        description="Entries that slates do not know of yet, as far as this process wrote them.",
        examples=[0],
    )
    n_shown: int = Field(
        ge=0, description="Places of impressions that were learnt.", examples=[1200]
    )
    n_clicked: int = Field(ge=0, description="Those of them that were clicked.", examples=[37])
    objectives: dict[str, float] = Field(
        description="What slates may weigh by `objective`, and what each weighs where they do not.",
        examples=[{"relevance": 1.0, "freshness": 0.0, "popularity": 0.0, "novelty": 0.0}],
    )
    failure: str | None = Field(description="Why the log cannot be followed, if it cannot.")
