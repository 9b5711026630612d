"""Tables beside the log: items, users, and the lists that were shown."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import polars as pl

from graphrec.errors import Fault
from graphrec.events.tables import RawTable
from graphrec.events.times import clean_times
from graphrec.events.validation import FaultList, clean_ids, clean_texts

MAX_SHARE_OF_UNSHOWN_CLICKS: Final = 0.01
"""Real logs hold a few clicks on items that the list did not show; more of them is a mistake."""

_NO_GENRES: Final = "(no genres listed)"
_LIST_MARK: Final = "|"
_ITEM_NAMES: Final = {
    "item_id": ("item_id", "itemid", "movieid", "iid"),
    "title": ("title", "name", "movie_title"),
    "publisher": ("publisher", "publishers", "channel"),
    "keywords": ("keywords", "keyword", "tags"),
    "published_s": ("published_s", "published", "published_at", "creation_timestamp"),
}
_GENRES: Final = ("genres", "genre", "class")
_USER_NAMES: Final = {"user_id": ("user_id", "userid", "uid")}
_SHOWN_NAMES: Final = {
    "user_id": ("user_id", "userid"),
    "time_s": ("time_s", "timestamp"),
    "shown": ("shown", "impressions"),
    "clicked": ("clicked", "clicks"),
}


def clean_items(table: RawTable, faults: FaultList, *, genres_are_keywords: bool) -> pl.DataFrame:
    """A table of items with our column names; every other column is kept as it is.

    Args:
        table: As read. Lists in text files are parted by `|`.
        faults: Receives missing, null and repeated item ids and columns of a wrong type.
        genres_are_keywords: Take a column of genres for keywords where none is called so.
    """
    names = dict(_ITEM_NAMES)
    if genres_are_keywords:
        names["keywords"] = (*names["keywords"], *_GENRES)
    frame = _renamed(table, names)
    frame = _with_keys(frame, table, "item_id", faults)
    if isinstance(frame.schema.get("title"), pl.List):
        frame = frame.with_columns(pl.col("title").list.join(" "))
    if "title" in frame.columns:
        frame = frame.with_columns(clean_texts(frame["title"], table.file, faults))
    for name in ("publisher", "keywords"):
        if name in frame.columns:
            frame = frame.with_columns(_name_lists(frame[name], table, faults))
    if "published_s" in frame.columns:
        times = clean_times(frame["published_s"], "s", table.file, faults, skip_null=True)
        frame = frame.with_columns(times)
    return frame


def clean_users(table: RawTable, faults: FaultList) -> pl.DataFrame:
    """A table of users with `user_id` first; every other column is kept as it is."""
    return _with_keys(_renamed(table, _USER_NAMES), table, "user_id", faults)


def clean_impressions(table: RawTable, faults: FaultList) -> pl.DataFrame:
    """Shown lists: `user_id`, `time_s`, `shown`, `clicked`, and the other columns as they are.

    Args:
        table: As read. Lists in text files are parted by `|`; one clicked id may stand alone.
        faults: Receives missing columns, null users and times, lists that are none or empty, and
            clicks outside their list where more than 1 % of the lists have one.
    """
    file = table.file
    frame = _renamed(table, _SHOWN_NAMES)
    missing = [name for name in ("user_id", "time_s", "shown") if name not in frame.columns]
    for name in missing:
        faults.add(Fault(file, 0, name, "", _missing_rule(table, _SHOWN_NAMES[name])))
    if missing:
        return frame.clear()
    if "clicked" not in frame.columns:
        frame = frame.with_columns(pl.Series("clicked", [[]] * len(frame), pl.List(pl.String)))
    before = faults.n_faults
    user = clean_ids(frame["user_id"], file, faults, typed=table.typed)
    faults.add_rows(file, user.is_null(), frame["user_id"], "every shown list has a user")
    shown = _id_lists(frame["shown"], table, faults, alone=False)
    clicked = _id_lists(frame["clicked"], table, faults, alone=True)
    empty = shown.list.len() == 0
    faults.add_rows(file, empty, frame["shown"], "a shown list has at least one item")
    frame = frame.with_columns(
        user, clean_times(frame["time_s"], "s", file, faults), shown, clicked
    )
    if faults.n_faults == before:
        _refuse_unshown_clicks(frame, file, faults)
    return frame.select(
        *_SHOWN_NAMES, *(name for name in frame.columns if name not in _SHOWN_NAMES)
    )


def _refuse_unshown_clicks(frame: pl.DataFrame, file: str, faults: FaultList) -> None:
    shown, clicked = frame["shown"], frame["clicked"]
    as_text = pl.List(pl.String)
    if shown.dtype != clicked.dtype:
        shown, clicked = shown.cast(as_text), clicked.cast(as_text)
    outside = clicked.list.set_difference(shown).list.len() > 0
    if outside.sum() > MAX_SHARE_OF_UNSHOWN_CLICKS * len(frame):
        rule = "clicked items are in the shown list (1 % of the lists may have one that is not)"
        faults.add_rows(file, outside, frame["clicked"], rule)


def _renamed(table: RawTable, names: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    there = {name.lower(): name for name in reversed(table.header)}
    found: dict[str, str] = {}
    for ours, theirs in names.items():
        name = next((there[name] for name in theirs if name in there), None)
        if name is not None:
            found[name] = ours
    clashing: Collection[str] = set(found.values()) & (set(table.header) - set(found))
    return table.frame.drop(clashing).rename(found)


def _with_keys(frame: pl.DataFrame, table: RawTable, name: str, faults: FaultList) -> pl.DataFrame:
    if name not in frame.columns:
        aliases = _ITEM_NAMES.get(name) or _USER_NAMES[name]
        faults.add(Fault(table.file, 0, name, "", _missing_rule(table, aliases)))
        return pl.DataFrame({name: []}, schema={name: pl.String})
    before = faults.n_faults
    ids = clean_ids(frame[name], table.file, faults, typed=table.typed)
    if faults.n_faults == before:
        faults.add_rows(table.file, ids.is_null(), frame[name], f"every row has its {name}")
    again = ids.is_not_null() & ~ids.is_first_distinct()
    faults.add_rows(table.file, again, frame[name], f"each {name} has one row")
    others = [other for other in frame.columns if other != name]
    return frame.with_columns(ids).select(name, *others)


def _name_lists(raw: pl.Series, table: RawTable, faults: FaultList) -> pl.Series:
    """Lists of distinct names, empty where there are none."""
    name, dtype = raw.name, raw.dtype
    if dtype == pl.Null:
        lists = pl.lit(raw).cast(pl.List(pl.String))
    elif dtype == pl.String:
        text = pl.lit(raw)
        lists = pl.concat_list(text) if table.typed else text.str.split(_LIST_MARK)
    elif isinstance(dtype, pl.List) and _is_key(dtype.inner):
        lists = pl.lit(raw).cast(pl.List(pl.String))
    else:
        rule = "names are text or lists of text"
        faults.add(Fault(table.file, 0, name, f"type {dtype}", rule))
        lists = pl.lit(pl.Series([None] * len(raw), dtype=pl.List(pl.String)))
    word = pl.element().str.strip_chars()
    named = word.filter(word.is_not_null() & ~word.is_in(["", _NO_GENRES]))
    trimmed = lists.list.eval(named).list.unique(maintain_order=True)
    return pl.select(trimmed.fill_null([]).alias(name)).to_series()


def _id_lists(raw: pl.Series, table: RawTable, faults: FaultList, *, alone: bool) -> pl.Series:
    """Lists of ids, empty where there are none; `alone` lets one id stand for a list."""
    name, dtype = raw.name, raw.dtype
    values = pl.lit(raw)
    if isinstance(dtype, pl.List) and (_is_key(dtype.inner) or dtype.inner == pl.Null):
        lists = values.list.drop_nulls()
    elif dtype == pl.Null:
        lists = values.cast(pl.List(pl.String))
    elif dtype == pl.String and not table.typed:
        lists = values.str.split(_LIST_MARK).list.eval(pl.element().filter(pl.element() != ""))
    elif alone and _is_key(dtype):
        lists = pl.concat_list(values).list.drop_nulls()
    else:
        faults.add(Fault(table.file, 0, name, f"type {dtype}", f"{name} is a list of item ids"))
        lists = pl.lit(pl.Series([["?"]] * len(raw)))
    series = pl.select(lists.fill_null([]).alias(name)).to_series()
    integers = dtype.is_integer() or (isinstance(dtype, pl.List) and dtype.inner.is_integer())
    return series.cast(pl.List(pl.Int64 if integers else pl.String))


def _is_key(dtype: Any) -> bool:
    return bool(dtype == pl.String or dtype.is_integer())


def _missing_rule(table: RawTable, names: Sequence[str]) -> str:
    return f"the table needs this column (also known as {', '.join(names)}) — it has " + ", ".join(
        table.header[:20]
    )
