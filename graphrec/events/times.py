"""Times as int64 UTC seconds, whatever they were written as."""

from typing import Final

import polars as pl

from graphrec.errors import Fault
from graphrec.events.columns import TimeUnit
from graphrec.events.validation import LAST_TIME_S, FaultList

_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "iso": 1, "order": 1}
# From June 1973 in milliseconds on, a time looks like milliseconds rather than seconds.
_FIRST_LIKELY_S: Final = 100_000_000
_OFFSET_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%.f%:z"
_PLAIN_FORMATS: Final = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d")


def clean_times(
    raw: pl.Series, unit: TimeUnit, file: str, faults: FaultList, *, skip_null: bool = False
) -> pl.Series:
    """Times as int64 seconds; fractions of a second are dropped.

    Args:
        raw: Numbers, text, dates or times.
        unit: What the numbers count; text that holds no numbers is read as ISO 8601.
        file: Where the column stands.
        faults: Receives times that are null, no time at all, not finite, before 1970 or past 2200.
        skip_null: Let null times through.

    Returns:
        Seconds; null where the row has no time or a faulty one.
    """
    name, dtype = raw.name, raw.dtype
    if dtype == pl.String:
        raw = pl.select(pl.when(raw != "").then(raw).alias(name)).to_series()
    if not skip_null:
        rule = "every row has a time; rows_without_time='skip' leaves such rows out"
        faults.add_rows(file, raw.is_null(), raw, rule)
    if dtype == pl.Null:
        return raw.cast(pl.Int64)
    if isinstance(dtype, pl.Datetime | pl.Date):
        seconds = raw.dt.epoch("s").cast(pl.Int64)
    elif dtype == pl.String and (unit == "iso" or _holds_no_numbers(raw)):
        seconds = iso_seconds(raw)
        bad = seconds.is_null() & raw.is_not_null()
        faults.add_rows(file, bad, raw, "times are numbers or ISO 8601 text")
    elif unit != "iso" and (dtype.is_numeric() or dtype == pl.String):
        seconds = _numbers(raw, file, faults) // _PER_SECOND[unit]
    else:
        faults.add(Fault(file, 0, name, f"type {dtype}", "times are numbers, dates or text"))
        return pl.Series(name, [None] * len(raw), pl.Int64)
    return _in_range(seconds, raw, unit, file, faults)


def iso_seconds(texts: pl.Series) -> pl.Series:
    """Seconds of ISO 8601 texts, UTC where they name no zone; null where they are none."""
    text = pl.lit(texts).str.replace(" ", "T", literal=True).str.replace("[Zz]$", "+00:00")
    plain = [text.str.to_datetime(f, time_unit="us", strict=False) for f in _PLAIN_FORMATS]
    zoned = text.str.to_datetime(_OFFSET_FORMAT, time_unit="us", time_zone="UTC", strict=False)
    seconds = [zoned.dt.epoch("s"), *(time.dt.epoch("s") for time in plain)]
    return pl.select(pl.coalesce(seconds).cast(pl.Int64).alias(texts.name)).to_series()


def _holds_no_numbers(raw: pl.Series) -> bool:
    first = raw.drop_nulls().head(1)
    return len(first) > 0 and first.cast(pl.Float64, strict=False).null_count() > 0


def _numbers(raw: pl.Series, file: str, faults: FaultList) -> pl.Series:
    """Whole numbers, rounded down."""
    whole = raw.cast(pl.Int64, strict=False) if not raw.dtype.is_float() else None
    if whole is not None and whole.null_count() == raw.null_count():
        return whole
    real = raw.cast(pl.Float64, strict=False)
    faults.add_rows(file, real.is_null() & raw.is_not_null(), raw, "times are numbers")
    faults.add_rows(file, ~real.is_finite(), raw, "times are finite")
    floored = real.floor().cast(pl.Int64, strict=False)
    bad = floored.is_null() & real.is_finite()
    faults.add_rows(file, bad, raw, "times fit in 64 bits")
    return floored if whole is None else whole.zip_with(whole.is_not_null(), floored)


def _in_range(
    seconds: pl.Series, raw: pl.Series, unit: TimeUnit, file: str, faults: FaultList
) -> pl.Series:
    if unit == "order":
        faults.add_rows(file, seconds < 0, raw, "positions are at least 0")
        return seconds
    faults.add_rows(file, seconds < 0, raw, "times are not before 1970")
    late = seconds >= LAST_TIME_S
    if bool(late.any()):
        rule = "times are before the year 2200" + _unit_hint(seconds.filter(late), unit)
        faults.add_rows(file, late, raw, rule)
    return seconds


def _unit_hint(late: pl.Series, unit: TimeUnit) -> str:
    if unit != "s":
        return ""
    first = int(late[0])
    for finer, per_second in (("ms", 1_000), ("us", 1_000_000)):
        if _FIRST_LIKELY_S <= first // per_second < LAST_TIME_S:
            return f"; they look like time_unit={finer!r}"
    return ""
