"""Which column of a file holds what: presets, a caller's own map, and finding out by the header."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import DataError

TimeUnit = Literal["s", "ms", "us", "iso", "order"]
PresetChoice = Literal["auto", "graphrec", "movielens", "recbole", "personalize", "tgb", "mind"]
PresetName = Literal["graphrec", "movielens", "recbole", "personalize", "tgb", "mind"]

_REQUIRED: Final = ("user", "item", "time")
_FIELDS: Final = (
    *_REQUIRED,
    "event_type",
    "weight",
    "keyword",
    "publisher",
    "context",
    "event_id",
)
_ORDER_NAMES: Final = ("seq_pos", "seq", "position", "pos", "order", "step", "rank")
_RATING: Final = "rating"


class ColumnMap(BaseModel):
    """Where an event file keeps its columns; what is left out is found by the preset's names.

    Column names are matched without regard to case. A named column has to be there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: PresetChoice = Field(
        "auto", description="Layout whose names fill what is left out; auto: the one that fits best"
    )
    user: str | None = Field(None, description="Column of user ids: integers or text")
    item: str | None = Field(None, description="Column of item ids: integers or text")
    time: str | None = Field(None, description="Column of times, in `time_unit`")
    time_unit: TimeUnit = Field(
        "s",
        description="s, ms, us: since 1970, UTC; iso: ISO 8601 text, UTC where it names no zone; "
        "order: a position inside each user, used as seconds",
    )
    event_type: str | None = Field(None, description="Column of event type names")
    weight: str | None = Field(None, description="Column of strengths or ratings, unitless, >= 0")
    keyword: str | None = Field(None, description="Column of keywords searched for or given")
    publisher: str | None = Field(None, description="Column of publishers of item rows")
    context: str | None = Field(None, description="Column of contexts, such as a holiday")
    event_id: str | None = Field(None, description="Column of event ids; repeats are dropped")
    rows_without_time: Literal["refuse", "skip"] = Field(
        "refuse", description="What becomes of a row whose time is null"
    )
    default_event_type: str | None = Field(
        None, min_length=1, description="Event type of rows where the file has no such column"
    )


@dataclass(frozen=True, slots=True)
class Preset:
    """A known layout.

    Attributes:
        name: What it is called.
        names: Lower-case column names of each field, the preferred one first.
        event_type: Type of events where no column names it.
        marks: Lower-case columns that hold nothing we read but tell this layout from others.
        shown: How its header looks, for messages.
    """

    name: PresetName
    names: Mapping[str, tuple[str, ...]]
    event_type: str
    shown: str
    marks: frozenset[str] = frozenset()


PRESETS: Final[tuple[Preset, ...]] = (
    Preset(
        "graphrec",
        {
            "user": ("user_id",),
            "item": ("item_id",),
            "time": ("time_s", "timestamp"),
            "event_type": ("event_type",),
            "weight": ("weight", _RATING),
            "keyword": ("keyword", "tag"),
            "publisher": ("publisher",),
            "context": ("context_id", "context"),
            "event_id": ("event_id",),
        },
        "watch",
        "time_s (or timestamp), user_id, item_id, event_type, weight (or rating), keyword (or tag)",
    ),
    Preset(
        "movielens",
        {
            "user": ("userid",),
            "item": ("movieid",),
            "time": ("timestamp",),
            "weight": (_RATING,),
            "keyword": ("tag",),
        },
        "rate",
        "userId, movieId, rating, timestamp; or ratings.dat",
    ),
    Preset(
        "recbole",
        {
            "user": ("user_id",),
            "item": ("item_id",),
            "time": ("timestamp",),
            "weight": (_RATING,),
        },
        "interact",
        "user_id:token, item_id:token, rating:float, timestamp:float in a .inter file",
    ),
    Preset(
        "personalize",
        {
            "user": ("user_id",),
            "item": ("item_id",),
            "time": ("timestamp",),
            "event_type": ("event_type",),
            "weight": ("event_value",),
        },
        "interact",
        "USER_ID, ITEM_ID, TIMESTAMP, EVENT_TYPE, EVENT_VALUE",
    ),
    Preset(
        "tgb",
        {
            "user": ("u", "src", "source", "user_id"),
            "item": ("i", "dst", "destination", "item_id"),
            "time": ("ts", "timestamp", "time"),
            "weight": ("w",),
        },
        "interact",
        "u, i, ts, label; or src, dst, ts",
        frozenset({"label", "state_label", "comma_separated_list_of_features", "idx"}),
    ),
    Preset(
        "mind",
        {
            "user": ("user_id",),
            "item": ("item_id",),
            "time": ("time",),
            "event_type": ("event_type",),
        },
        "click",
        "behaviors.tsv: impression id, user id, time, history, impressions",
    ),
)


@dataclass(frozen=True, slots=True)
class EventColumns:
    """The columns of one file, by the names that stand in it.

    Attributes:
        names: Column of each field that is there.
        time_unit: Unit of the time column.
        skip_untimed: Leave rows without a time out instead of refusing them.
        event_type: Type of the events where no column names it.
    """

    names: Mapping[str, str]
    time_unit: TimeUnit
    skip_untimed: bool
    event_type: str


def known_names(columns: ColumnMap) -> frozenset[str]:
    """Lower-case names of every column that could be read as events under `columns`."""
    own = {name.lower() for field in _FIELDS if (name := getattr(columns, field)) is not None}
    listed = {name for preset in PRESETS for names in preset.names.values() for name in names}
    return frozenset(own | listed)


def resolve_columns(header: Sequence[str], columns: ColumnMap, file: str) -> EventColumns:
    """Find the columns of `header` that hold each field.

    Args:
        header: Column names as they stand in the file.
        columns: What the caller says; fields left out are found by the preset's names.
        file: Name of the file for messages.

    Raises:
        DataError: A named column is missing, or no preset fits.
    """
    there = {name.lower(): name for name in reversed(header)}
    named = {
        field: name for field in _FIELDS if (name := getattr(columns, field, None)) is not None
    }
    for field, name in named.items():
        if name.lower() not in there:
            raise DataError(
                f"{file}: no column {name!r} for {field} — its columns are {_listed(header)}"
            )
    presets = [p for p in PRESETS if columns.preset in ("auto", p.name)]
    fits = [(preset, _matches(preset, named, there)) for preset in presets]
    whole = [(p, found) for p, found in fits if all(field in found for field in _REQUIRED)]
    if not whole:
        raise DataError(_no_fit(header, fits, file))
    preset, found = max(whole, key=lambda fit: len(fit[1]) + len(fit[0].marks & there.keys()))
    is_rating = found.get("weight", "").lower() == _RATING
    return EventColumns(
        found,
        columns.time_unit,
        columns.rows_without_time == "skip",
        columns.default_event_type or ("rate" if is_rating else preset.event_type),
    )


def _matches(
    preset: Preset, named: Mapping[str, str], there: Mapping[str, str]
) -> Mapping[str, str]:
    found = {field: there[name.lower()] for field, name in named.items()}
    taken = set(found.values())
    for field, names in preset.names.items():
        for name in names:
            if field not in found and name in there and there[name] not in taken:
                found[field] = there[name]
    return found


def _no_fit(
    header: Sequence[str], fits: Sequence[tuple[Preset, Mapping[str, str]]], file: str
) -> str:
    preset, found = max(fits, key=lambda fit: sum(field in fit[1] for field in _REQUIRED))
    missing = [field for field in _REQUIRED if field not in found]
    if len(missing) == len(_REQUIRED):
        known = "; ".join(f"{p.name}: {p.shown}" for p, _ in fits)
        return (
            f"{file}: no known layout has the columns {_listed(header)} — known are {known}; or "
            "name the columns for user, item and time (--columns user=...,item=...,time=...)"
        )
    wanted = ", ".join(f"{field} ({' or '.join(preset.names[field])})" for field in missing)
    hint = "or say which it is: --columns " + ",".join(f"{field}=..." for field in missing)
    if missing == ["time"]:
        order = next((name for name in header if name.lower() in _ORDER_NAMES), "...")
        hint += (
            f" with its time_unit; where the log has an order only, time={order!r}, "
            "time_unit='order', rows_without_time='skip'"
        )
    return (
        f"{file}: no column for {wanted} among {_listed(header)} — rename one as the "
        f"{preset.name} preset has it, {hint}"
    )


def _listed(header: Sequence[str]) -> str:
    shown = ", ".join(header[:20])
    return shown + (f" and {len(header) - 20} more" if len(header) > 20 else "")
