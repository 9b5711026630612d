"""The very split that an experiment asks about, as files a peer reads without graphrec.

A folder holds `split.json` (sizes, protocol, rules, hash), `training.parquet` (the events that may
be fitted) and `queries.parquet` (validation, then test, one event a query, in the order they are
asked). Both tables in one are the whole log in arrival order. What a query knows of its user are
the user's first `history_length` events of that log; everything else behind the cut is the future.

Needs NumPy and pyarrow only, so that it runs in each peer's own environment.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PARTS: Final = ("validation", "test")


@dataclass(frozen=True)
class History:
    """What each of some queries knows of its user, oldest first.

    Attributes:
        ptr: Query i's history is `item[ptr[i]:ptr[i + 1]]`, int64.
        item: Item rows, int32.
    """

    ptr: np.ndarray
    item: np.ndarray

    def __len__(self) -> int:
        return len(self.ptr) - 1

    @property
    def length(self) -> np.ndarray:
        """Events in each history."""
        return np.diff(self.ptr)

    def newest(self, n: int | None) -> "History":
        """The same histories cut to their `n` newest events; None keeps all."""
        if n is None:
            return self
        length = np.minimum(self.length, n)
        ptr = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        flat = np.repeat(self.ptr[1:] - ptr[1:], length) + np.arange(ptr[-1])
        return History(ptr, self.item[flat])


@dataclass(frozen=True)
class Split:
    """A log in arrival order, and how much of it each query knows.

    Attributes:
        name: Name of the experiment.
        n_users: Users that have a row.
        n_items: Items that have a row: all of them are ranked.
        n_training: The first so many events may be fitted; every later one is a query.
        time_s: Time of each event, UTC seconds, int64.
        user_row: User of each event, int32.
        item_row: Item of each event, int32; of a query it is what came true.
        is_test: Whether each query belongs to the test; the others to validation.
        history_length: Events of its user that each query knows, int64.
        rules: Protocol and who is a candidate, in words and settings.
    """

    name: str
    n_users: int
    n_items: int
    n_training: int
    time_s: np.ndarray
    user_row: np.ndarray
    item_row: np.ndarray
    is_test: np.ndarray
    history_length: np.ndarray
    rules: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """Hash of all that a peer is given and asked, hex."""
        found = hashlib.sha256(f"{self.n_users} {self.n_items} {self.n_training}".encode())
        columns = (self.time_s, self.user_row, self.item_row, self.is_test, self.history_length)
        for column, kind in zip(columns, ("<i8", "<i4", "<i4", "u1", "<i8"), strict=True):
            found.update(np.ascontiguousarray(column, kind).tobytes())
        return found.hexdigest()

    @property
    def popularity(self) -> np.ndarray:
        """Training events of each item."""
        return np.bincount(self.item_row[: self.n_training], minlength=self.n_items)

    def which(self, part: str) -> np.ndarray:
        """Numbers of the queries of `validation` or `test`, ascending."""
        return np.flatnonzero(self.is_test == (PARTS.index(part) == 1))

    def fitted(self, *, until_test: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Users and items of the events to fit: the training part, or all before the test."""
        n_validation = int((~self.is_test).sum()) if until_test else 0
        end = self.n_training + n_validation
        return self.user_row[:end], self.item_row[:end]

    def histories(self, queries: np.ndarray) -> History:
        """What `queries` know of their users."""
        order = np.argsort(self.user_row, kind="stable")
        first = np.searchsorted(self.user_row[order], np.arange(self.n_users))
        length = self.history_length[queries]
        start = first[self.user_row[self.n_training + queries]]
        ptr = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        flat = np.repeat(start - ptr[:-1], length) + np.arange(ptr[-1])
        return History(ptr, self.item_row[order[flat]])


def write_split(split: Split, folder: Path) -> None:
    """Write `split` to `folder`, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    log = {"time_s": split.time_s, "user_row": split.user_row, "item_row": split.item_row}
    cut = split.n_training
    training = {name: column[:cut] for name, column in log.items()}
    queries = {name: column[cut:] for name, column in log.items()}
    queries |= {"is_test": split.is_test, "history_length": split.history_length}
    pq.write_table(pa.table(training), folder / "training.parquet")
    pq.write_table(pa.table(queries), folder / "queries.parquet")
    facts = {
        "name": split.name,
        "n_users": split.n_users,
        "n_items": split.n_items,
        "n_training": split.n_training,
        "n_validation": len(split.which("validation")),
        "n_test": len(split.which("test")),
        "sha256": split.sha256,
        "rules": split.rules,
    }
    (folder / "split.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def read_split(folder: Path) -> Split:
    """The split in `folder`.

    Raises:
        ValueError: The tables are not those that `split.json` was written with.
    """
    facts = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    training, queries = (
        {name: column.to_numpy() for name, column in _columns(folder / f"{name}.parquet")}
        for name in ("training", "queries")
    )
    split = Split(
        facts["name"],
        facts["n_users"],
        facts["n_items"],
        facts["n_training"],
        *(np.concatenate([training[c], queries[c]]) for c in ("time_s", "user_row", "item_row")),
        queries["is_test"],
        queries["history_length"],
        facts["rules"],
    )
    if split.sha256 != facts["sha256"]:
        raise ValueError(f"{folder} hashes to {split.sha256}, split.json says {facts['sha256']}")
    return split


def _columns(path: Path) -> list[tuple[str, pa.ChunkedArray]]:
    table = pq.read_table(path)
    return list(zip(table.column_names, table.columns, strict=True))
