"""Every error graphrec raises on purpose.

GraphrecError
├── DataError           an input value breaks a rule
│   ├── BadRowsError    rows of a file break rules; carries all faults
│   └── UnknownIdError  an id is not in the log
├── SettingsError       a setting is outside its range, or two do not fit together
├── LeakageError        something that learns or scores was handed the future
├── SnapshotError       a snapshot is damaged, half-written or of another version
└── DownloadError       a public data set could not be fetched or failed its checksum

A message says what is wrong, the value, and the rule. Commands print it and exit with code 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class GraphrecError(Exception):
    """Root of the tree: an error whose message is meant for the user."""


class DataError(GraphrecError):
    """An input value breaks a rule."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule.

    Attributes:
        file: File or frame the value stands in.
        row: 1-based data row (header not counted); 0 where the whole file is meant.
        column: Column name; empty where the whole row or file is meant.
        value: The value as read, shortened.
        rule: The rule it breaks.
    """

    file: str
    row: int
    column: str
    value: str
    rule: str

    def __str__(self) -> str:
        place = self.file
        if self.row:
            place += f", row {self.row}"
        if self.column:
            place += f", column {self.column}"
        value = f": {self.value}" if self.value else ""
        return f"{place}{value} — {self.rule}"


class BadRowsError(DataError):
    """Rows break rules: `faults` holds them in file order, `n_faults` counts all of them."""

    SHOWN = 20

    def __init__(self, faults: Sequence[Fault], n_faults: int | None = None) -> None:
        self.faults = tuple(faults)
        self.n_faults = len(self.faults) if n_faults is None else n_faults
        lines = [str(fault) for fault in self.faults[: self.SHOWN]]
        hidden = self.n_faults - len(lines)
        if hidden > 0:
            lines.append(f"... and {hidden} more")
        super().__init__("\n".join(lines))


class UnknownIdError(DataError):
    """An id is not in the log."""


class SettingsError(GraphrecError):
    """A setting is outside its range, or two do not fit together."""


class LeakageError(GraphrecError):
    """Something that learns or scores was handed an event from its future."""


class SnapshotError(GraphrecError):
    """A snapshot is damaged, half-written or of another format version."""


class DownloadError(GraphrecError):
    """A public data set could not be fetched, or is not the file it should be."""
