"""The only door between a caller's keys and dense rows."""

import re
from collections.abc import Iterable
from typing import Any, Final, cast

import numpy as np
import polars as pl
from jaxtyping import Int32

from graphrec.arrays import NO_ROW
from graphrec.errors import UnknownIdError

Key = int | str

_SLOTS_PER_KEY: Final = 4
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_FAR: Final = 2**61
_FEWEST_JOINED: Final = 1024


class IdMap:
    """A one-to-one map between keys (all integers or all strings) and rows 0, 1, 2 and on.

    A key's row never changes; new keys get the next rows. The row of a key that was forgotten stays
    empty, and the key, should it come again, is a new one.
    """

    def __init__(self, keys: pl.Series | Iterable[Key] = (), *, what: str = "id") -> None:
        """Map the distinct `keys` in order of first appearance; `what` names them in messages."""
        series = keys if isinstance(keys, pl.Series) else pl.Series(list(keys))
        self._what = what
        self._settled = series.unique(maintain_order=True).rename(what)
        self._added: list[Key] = []
        # Asking the series for its type or length takes longer than looking a key up.
        self._of_integers = self._settled.dtype.is_integer()
        self._n_rows = len(self._settled)
        self._n_forgotten = 0
        self._row_by_key: dict[Key, int] | None = None
        # Looking one key up in the series takes 2 us.
        self._key_by_row: list[Key | None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All but the rows by key, which follow from the keys."""
        return vars(self) | {"_row_by_key": None, "_key_by_row": None}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        """Take what was kept, and look keys up anew."""
        vars(self).update(kept)
        self._rows()

    def __len__(self) -> int:
        return self._n_rows

    def __contains__(self, key: Key) -> bool:
        return key in self._rows()

    @property
    def keys(self) -> pl.Series:
        """Every key in row order; null where it was forgotten."""
        return self._keys

    @property
    def _keys(self) -> pl.Series:
        if not self._added:
            return self._settled
        added = pl.Series(self._what, self._added, dtype=self._settled.dtype)
        return pl.concat([self._settled, added])

    def settle(self) -> None:
        """Make ready for many readers at once: until a key is added or forgotten none changes it.

        What was added lately is put with the rest when it has become as much as a quarter of it, so
        that adding costs the same per key however many there are.
        """
        self._rows()
        if len(self._added) > max(_FEWEST_JOINED, len(self._settled) // 4):
            self._settled, self._added = self._keys.rechunk(), []
            self._key_by_row = None
        self._keys_by_row()

    def key(self, row: int) -> Key:
        """The key of one row."""
        keys = self._keys_by_row()
        found = keys[row] if row < len(keys) else self._added[row - len(keys)]
        # The key of a row that was forgotten is None; nobody is asked for it.
        return cast(Key, found)

    def row(self, key: Key) -> int:
        """The row of one key; a number given as text matches an integer key.

        Raises:
            UnknownIdError: The key is not in the map.
        """
        found = self._find(key)
        if found is None:
            known = next(iter(self._rows()), None)
            raise UnknownIdError(
                f"unknown {self._what} {key!r} — the log holds {len(self):,} {self._what}s"
                + ("" if known is None else f", such as {known!r}")
            )
        return found

    def rows(self, keys: pl.Series) -> Int32[np.ndarray, " _"]:
        """The rows of many keys; -1 where a key is unknown."""
        if self._n_forgotten:
            known = self._rows()
            return np.array([known.get(key, NO_ROW) for key in keys.to_list()], np.int32)
        if self._keys.dtype.is_integer() and keys.dtype.is_integer() and len(self):
            low, high = int(self._keys.to_numpy().min()), int(self._keys.to_numpy().max())
            if abs(low) < _FAR and high - low <= _SLOTS_PER_KEY * (len(keys) + len(self)):
                return self._rows_by_offset(keys, low, high)
        table = pl.DataFrame({"key": self._keys, "row": np.arange(len(self), dtype=np.int32)})
        found = (
            keys.cast(self._keys.dtype, strict=False)
            .to_frame("key")
            .join(table, on="key", how="left", maintain_order="left")
        )
        return found["row"].fill_null(NO_ROW).to_numpy().astype(np.int32)

    def _rows_by_offset(self, keys: pl.Series, low: int, high: int) -> Int32[np.ndarray, " _"]:
        """The rows of integer keys that lie close together: ten times as fast as a join."""
        outside = high - low + 1
        table = np.full(outside + 1, NO_ROW, dtype=np.int32)
        table[self._keys.cast(pl.Int64).to_numpy() - low] = np.arange(len(self), dtype=np.int32)
        known = keys.cast(pl.Int64, strict=False)
        inside = known.is_between(low, high).fill_null(value=False).to_numpy()
        offset = known.fill_null(low).to_numpy() - low
        return table[np.where(inside, offset, outside)]

    def add(self, key: Key) -> int:
        """The row of one key, which is appended where it is unknown, in place.

        Raises:
            UnknownIdError: The map is of integers and the key is none, or the other way round.
        """
        found = self._find(key)
        if found is not None:
            return found
        self.refuse(key)
        row = self._n_rows
        self._rows()[key] = row
        self._added.append(key)
        self._n_rows += 1
        return row

    def forget(self, key: Key) -> bool:
        """Drop a key in place, so that nothing tells whose its row was; whether it was there."""
        row = self._find(key)
        if row is None:
            return False
        del self._rows()[self.key(row)]
        self._settled, self._added = self._keys.scatter(row, None), []
        self._key_by_row = None
        self._n_forgotten += 1
        return True

    def refuse(self, key: Key) -> None:
        """Check that `add` takes a key, and add nothing.

        Raises:
            UnknownIdError: The map is of integers and the key is none, or the other way round.
        """
        if self._of_integers != isinstance(key, int) and self._n_rows and self._find(key) is None:
            kind = "integers" if self._of_integers else "text"
            raise UnknownIdError(
                f"{self._what} {key!r} cannot be added — {self._what} ids are {kind}"
            )

    def extended(self, keys: pl.Series) -> "IdMap":
        """A map with the unknown ones among `keys` appended; known keys keep their rows."""
        both = pl.concat([self._keys, keys.cast(self._keys.dtype).rename(self._what)])
        return IdMap(both, what=self._what)

    def key_of(self, text: str) -> Key:
        """The key that a text stands for: a number where keys are integers and it is one."""
        is_number = self._of_integers and _INTEGER.fullmatch(text)
        return int(text) if is_number else text

    def _find(self, key: Key) -> int | None:
        rows = self._rows()
        found = rows.get(key)
        if found is None and isinstance(key, str) and self._of_integers:
            return rows.get(int(key)) if _INTEGER.fullmatch(key) else None
        return rows.get(str(key)) if found is None and isinstance(key, int) else found

    def _keys_by_row(self) -> list[Key | None]:
        if self._key_by_row is None:
            self._key_by_row = self._settled.to_list()
        return self._key_by_row

    def _rows(self) -> dict[Key, int]:
        if self._row_by_key is None:
            self._row_by_key = {
                key: row for row, key in enumerate(self._keys.to_list()) if key is not None
            }
        return self._row_by_key
