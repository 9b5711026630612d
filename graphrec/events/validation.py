"""Collect every broken rule of the files being read, then refuse them all at once."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl
from jaxtyping import Integer

from graphrec.errors import BadRowsError, Fault

LAST_TIME_S: Final = 7_258_118_400
"""The year 2200: a time at or past it is taken for a wrong unit."""

_SHOWN_CHARS: Final = 40


@dataclass(slots=True)
class FaultList:
    """Broken rules found so far; all are counted, the first thousand are kept.

    Attributes:
        kept: Faults in the order they were found.
        n_faults: How many were found.
    """

    KEPT = 1_000

    kept: list[Fault] = field(default_factory=list)
    n_faults: int = 0
    _whole: bool = False
    _rows: dict[tuple[str, str], Integer[np.ndarray, " faults"]] = field(default_factory=dict)

    def add(self, fault: Fault) -> None:
        """Note one fault."""
        self.n_faults += 1
        self._whole |= fault.row == 0
        if len(self.kept) < self.KEPT:
            self.kept.append(fault)

    def add_rows(
        self,
        file: str,
        bad: pl.Series,
        values: pl.Series,
        rule: str,
        rows: Integer[np.ndarray, " events"] | None = None,
    ) -> None:
        """Note a fault for every true value of `bad`; a place has one fault, the first noted.

        Args:
            file: Where the rows stand.
            bad: Booleans, one per value; null counts as false.
            values: The values; the series' name is the column's.
            rule: The rule that is broken.
            rows: 1-based data row of each value; by default 1, 2, 3 and on.
        """
        places = np.flatnonzero(bad.fill_null(value=False).to_numpy())
        if not len(places):
            return
        numbers = places + 1 if rows is None else rows[places]
        noted = self._rows.get((file, values.name))
        if noted is not None:
            fresh = ~np.isin(numbers, noted)
            places, numbers = places[fresh], numbers[fresh]
            noted = np.concatenate([noted, numbers])
        self._rows[file, values.name] = numbers if noted is None else noted
        self.n_faults += len(places)
        room = max(self.KEPT - len(self.kept), 0)
        shown = values[places[:room]].to_list()
        for number, value in zip(numbers.tolist(), shown, strict=False):
            self.kept.append(Fault(file, number, values.name, shorten(value), rule))

    def absorb(self, error: BadRowsError) -> None:
        """Note the faults for which a table was refused."""
        for fault in error.faults:
            self.add(fault)
        self.n_faults += error.n_faults - len(error.faults)

    def raise_if_whole_files(self) -> None:
        """Refuse the files if a whole column or file is at fault, whose rows need no looking at.

        Raises:
            BadRowsError: With the faults by file and row.
        """
        if self._whole:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Refuse the files if anything was found.

        Raises:
            BadRowsError: With the faults by file and row.
        """
        if self.n_faults:
            order = {name: i for i, name in enumerate(dict.fromkeys(f.file for f in self.kept))}
            ranked = sorted(self.kept, key=lambda fault: (order[fault.file], fault.row))
            raise BadRowsError(ranked, self.n_faults)


def shorten(value: Any) -> str:
    """A value as it is shown in a message, in at most 40 characters."""
    if value is None:
        return "null"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "..."


def clean_ids(raw: pl.Series, file: str, faults: FaultList, *, typed: bool) -> pl.Series:
    """Ids as int64 or text, null where there is none.

    Args:
        raw: The column as read.
        file: Where it stands.
        faults: Receives ids that are neither integers nor text, and integers past int64.
        typed: Whether the file declares types; text of an undeclared column becomes integers if
            every value prints one.
    """
    name, dtype = raw.name, raw.dtype
    if isinstance(dtype, pl.Categorical | pl.Enum):
        raw, dtype = raw.cast(pl.String), pl.String()
    if dtype == pl.Null:
        return pl.Series(name, [None] * len(raw), pl.String)
    if dtype.is_integer():
        ids = raw.cast(pl.Int64, strict=False)
        faults.add_rows(file, ids.is_null() & raw.is_not_null(), raw, "ids fit in 64 bits, signed")
        return ids
    if dtype != pl.String:
        faults.add(Fault(file, 0, name, f"type {dtype}", "ids are integers or text"))
        return pl.Series(name, [None] * len(raw), pl.String)
    ids = pl.select(pl.when(raw != "").then(raw).alias(name)).to_series()
    if typed:
        return ids
    numbers = ids.cast(pl.Int64, strict=False)
    same = numbers.cast(pl.String).eq_missing(ids)
    return numbers if bool(same.all()) and numbers.count() else ids


def clean_texts(raw: pl.Series, file: str, faults: FaultList) -> pl.Series:
    """A column of names as text, null where there is none."""
    name, dtype = raw.name, raw.dtype
    if isinstance(dtype, pl.Categorical | pl.Enum | pl.Null) or dtype.is_integer():
        raw = raw.cast(pl.String)
    elif dtype != pl.String:
        faults.add(Fault(file, 0, name, f"type {dtype}", "names are text"))
        return pl.Series(name, [None] * len(raw), pl.String)
    return pl.select(pl.when(raw != "").then(raw).alias(name)).to_series()


def clean_weights(raw: pl.Series, file: str, faults: FaultList) -> pl.Series:
    """Strengths or ratings as float32, null where there is none.

    Signs are judged where the event's role is known; here every value has to be a finite number.
    """
    name, dtype = raw.name, raw.dtype
    if not (dtype.is_numeric() or dtype in (pl.String, pl.Null)):
        faults.add(Fault(file, 0, name, f"type {dtype}", "weights and ratings are numbers"))
        return pl.Series(name, [None] * len(raw), pl.Float32)
    if dtype == pl.String:
        raw = pl.select(pl.when(raw != "").then(raw).alias(name)).to_series()
    numbers = raw.cast(pl.Float64, strict=False)
    faults.add_rows(
        file, numbers.is_null() & raw.is_not_null(), raw, "weights and ratings are numbers"
    )
    single = numbers.cast(pl.Float32)
    faults.add_rows(file, ~single.is_finite(), raw, "weights and ratings are finite")
    return single
