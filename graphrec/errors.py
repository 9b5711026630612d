"""Every error graphrec raises on purpose.

GraphrecError
├── DataError           an input value breaks a rule
│   ├── BadRowsError    rows of a file break rules; carries all faults
│   └── UnknownIdError  an id is not in the log
├── SettingsError       a setting is outside its range, or two do not fit together
├── LeakageError        something that learns or scores was handed the future
├── SnapshotError       a snapshot is damaged, half-written or of another version
│   └── NoBundleError       there is no bundle of that name
├── TrialError          a bundle is not put to use: it failed its trial, or another one is
├── DownloadError       a public data set could not be fetched or failed its checksum
└── StoreError          the durable log refused or failed
    ├── StoreUnavailableError   it is out of reach; what was sent may or may not be stored
    │   └── StoreLockedError    another program holds it; nothing was stored
    ├── StoreFullError          no room on its disk; nothing was stored
    ├── StoreReadOnlyError      it may not be written; nothing was stored
    ├── StoreDamagedError       what is on disk is not what was written
    ├── StoreSchemaError        a newer graphrec wrote it
    ├── StoreClosedError        it was closed
    └── OverloadedError         too much waits already; nothing was stored, and when to try again

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


class NoBundleError(SnapshotError):
    """There is no bundle of that name."""


class TrialError(GraphrecError):
    """A bundle is not put to use: it failed its trial, or another one is just being tried."""


class DownloadError(GraphrecError):
    """A public data set could not be fetched, or is not the file it should be."""


class StoreError(GraphrecError):
    """The durable log refused or failed. Messages never show a password."""


class StoreUnavailableError(StoreError):
    """The log is out of reach.

    Entries may or may not be stored; sent again under the same ids, events and impressions are
    stored once.
    """


class StoreLockedError(StoreUnavailableError):
    """Another program holds the log's lock; nothing was stored."""


class StoreFullError(StoreError):
    """There is no room on the log's disk; nothing was stored."""


class StoreReadOnlyError(StoreError):
    """The log may not be written; nothing was stored."""


class StoreDamagedError(StoreError):
    """What is on disk is not what was written."""


class StoreSchemaError(StoreError):
    """A newer graphrec wrote the log."""


class StoreClosedError(StoreError):
    """The log was closed."""


class OverloadedError(StoreError):
    """Too many entries wait already; nothing was stored.

    Attributes:
        wait_s: Seconds after which there should be room, > 0.
    """

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message, wait_s)
        self.wait_s = wait_s

    def __str__(self) -> str:
        return str(self.args[0])
