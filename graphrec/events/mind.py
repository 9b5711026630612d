"""MIND's behaviours file: one row per shown list, with the clicks marked inside it."""

from typing import Final

import polars as pl

from graphrec.events.tables import RawTable
from graphrec.events.validation import FaultList

_TIME_FORMAT: Final = "%m/%d/%Y %I:%M:%S %p"
_ENTRY: Final = r"^\S+-[01]$"


def split_behaviors(table: RawTable, faults: FaultList) -> tuple[RawTable, RawTable]:
    """Clicks as events, and shown lists, of a MIND behaviours file.

    Args:
        table: Columns `impression_id`, `user_id`, `time`, `history`, `impressions`, all text.
        faults: Receives times of another form and list entries without a `-0` or `-1`.

    Returns:
        Events `user_id`, `item_id`, `time`, `event_type`, one per click; and lists `user_id`,
        `time_s`, `shown`, `clicked`, `impression_id`, `history`. Earlier clicks (`history`) carry
        no time and so become no events.
    """
    raw, file = table.frame, table.file
    times = raw["time"].str.to_datetime(_TIME_FORMAT, time_unit="us", strict=False)
    faults.add_rows(file, times.is_null(), raw["time"], "times look like 11/15/2019 8:55:22 AM")
    entries = raw["impressions"].fill_null("").str.split(" ")
    wrong = ~pl.element().str.contains(_ENTRY)
    bad = pl.select(pl.lit(entries).list.eval(wrong).list.any()).to_series()
    faults.add_rows(file, bad, raw["impressions"], "impressions look like N1-1 N2-0")
    clicked = pl.element().filter(pl.element().str.ends_with("-1"))
    lists = pl.DataFrame({"user_id": raw["user_id"], "time_s": times, "entry": entries}).select(
        "user_id",
        "time_s",
        pl.col("entry").list.eval(_item(pl.element())).alias("shown"),
        pl.col("entry").list.eval(_item(clicked)).alias("clicked"),
        raw["impression_id"],
        raw["history"]
        .fill_null("")
        .str.split(" ")
        .list.eval(pl.element().filter(pl.element() != "")),
    )
    clicks = lists.select(
        "user_id",
        pl.col("clicked").alias("item_id"),
        pl.col("time_s").alias("time"),
        pl.lit("click").alias("event_type"),
    ).explode("item_id")
    clicks = clicks.filter(pl.col("item_id").is_not_null())
    return (
        RawTable(file, clicks, tuple(clicks.columns), typed=True),
        RawTable(file, lists, tuple(lists.columns), typed=True),
    )


def _item(entry: pl.Expr) -> pl.Expr:
    return entry.str.head(-2)
