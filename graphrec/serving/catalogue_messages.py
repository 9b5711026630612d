"""What callers say of items and users, and what they are told: JSON, with ranges and examples."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from graphrec.events.ids import Key

MAX_NAMES = 200
MAX_PROPERTIES = 50
_WIDEST = 2**53
_Name = Annotated[
    str,
    StringConstraints(
        strict=True, strip_whitespace=True, min_length=1, max_length=256, pattern=r"^[^\x00]*$"
    ),
]
_Value = (
    Annotated[bool, Field(strict=True)]
    | Annotated[int, Field(strict=True, ge=-_WIDEST, le=_WIDEST)]
    | Annotated[float, Field(strict=True, allow_inf_nan=False)]
    | Annotated[str, StringConstraints(strict=True, max_length=1000, pattern=r"^[^\x00]*$")]
)


class ItemIn(BaseModel):
    """All that is known of an item; what is left out is not known (any more)."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "title": "How octopuses sleep",
                    "publishers": ["Deep Blue"],
                    "keywords": ["octopus", "sleep"],
                    "published_s": 1764000000,
                }
            ]
        },
    )

    title: (
        Annotated[
            str,
            StringConstraints(strict=True, min_length=1, max_length=1000, pattern=r"^[^\x00]*$"),
        ]
        | None
    ) = Field(None, description="For people.", examples=["How octopuses sleep"])
    publishers: list[_Name] = Field(
        [],
        max_length=MAX_NAMES,
        description="Who published it, the foremost first; of equal names the first is kept.",
        examples=[["Deep Blue"]],
    )
    keywords: list[_Name] = Field(
        [],
        max_length=MAX_NAMES,
        description="What it is about; of equal ones the first is kept.",
        examples=[["octopus", "sleep"]],
    )
    published_s: Annotated[int, Field(strict=True, ge=-(2**40), le=2**40)] | None = Field(
        None,
        description="When it was published, UTC seconds; left out: its first event is to tell.",
        examples=[1764000000],
    )


class ItemFactsOut(BaseModel):
    """An item as it is known now."""

    item_id: Key = Field(examples=["video-2"])
    title: str | None = Field(description="For people; null: not known.", examples=["Octopuses"])
    publishers: list[str] = Field(description="Who published it.", examples=[["Deep Blue"]])
    keywords: list[str] = Field(description="What it is about.", examples=[["octopus"]])
    published_s: int | None = Field(
        description="Date of publication it was given, UTC seconds.", examples=[1764000000]
    )
    n_events: int = Field(ge=0, description="Events that count as a watch.", examples=[17])


class ItemOneOut(ItemFactsOut):
    """An item as it is known now, and how new that is."""

    seq: int = Field(ge=0, description="All entries of the log up to this are known.", examples=[9])


class FoundItemsOut(BaseModel):
    """Items that were searched for, best first."""

    items: list[ItemFactsOut]
    seq: int = Field(ge=0, description="All entries of the log up to this are known.", examples=[9])


class UserIn(BaseModel):
    """What a caller keeps of a user, in place of what was kept before."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"properties": {"language": "da", "age": 31}}]},
    )

    properties: dict[_Name, _Value] = Field(
        max_length=MAX_PROPERTIES,
        description="Texts, numbers, true or false by name; nothing of it is interpreted.",
        examples=[{"language": "da", "age": 31}],
    )


class UserOut(BaseModel):
    """A user as known now."""

    user_id: Key = Field(examples=["user-17"])
    properties: dict[str, bool | int | float | str] = Field(
        description="What was kept of them.", examples=[{"language": "da", "age": 31}]
    )
    n_events: int = Field(ge=0, description="Events that count as a watch.", examples=[17])
    newest_event_s: int | None = Field(
        description="Time of the newest of them, UTC seconds; null: there is none.",
        examples=[1764000000],
    )
    seq: int = Field(ge=0, description="All entries of the log up to this are known.", examples=[9])


class UsersOut(BaseModel):
    """Ids of users."""

    users: list[str] = Field(description="In order.", examples=[["user-17", "user-18"]])
    seq: int = Field(ge=0, description="All entries of the log up to this are known.", examples=[9])


class StoredOut(BaseModel):
    """What was said is durable."""

    seq: int = Field(
        ge=1, description="Its number in the log; answers whose `seq` is as high know of it."
    )
