"""The folder of states: bundles by name, and snapshots of what became of each.

bundles/NAME/            a pipeline as it was trained, with what it learnt by then
snapshots/NAME/SEQ/      the same later on, knowing every entry of the log up to SEQ
snapshots/NAME/SEQ.bad/  one that was found damaged, put aside
"""

import fcntl
import logging
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import NoBundleError, SettingsError, SnapshotError
from graphrec.serving.state import LiveState
from graphrec.serving.state_files import Origin, WrittenState, read_state, write_state

_LOG = logging.getLogger(__name__)
NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"
_SEQ_DIGITS: Final = 16


class StoreSettings(BaseModel):
    """Where states are kept, how often and how many."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path = Field(Path("graphrec-state"), description="Folder of bundles and snapshots.")
    every_s: float = Field(
        300.0, ge=1, le=10**7, description="Seconds between snapshots, where anything happened."
    )
    every_entries: int = Field(
        30_000,
        ge=1,
        le=10**9,
        description="Entries of the log after which a snapshot is written before its time; a start "
        "learns at most about as many, which takes 1 s for 30,000.",
    )
    kept: int = Field(3, ge=1, le=1000, description="Snapshots kept of each bundle.")


class StateStore:
    """Bundles and snapshots in one folder; several processes of one machine may share it."""

    def __init__(self, settings: StoreSettings) -> None:
        """Use the folder, which is made where it is not there.

        Raises:
            SettingsError: The folder cannot be made or written.
        """
        self._settings = settings
        self._folder = settings.folder
        try:
            for part in (self._bundles, self._snapshots):
                part.mkdir(parents=True, exist_ok=True)
            (self._folder / ".lock").touch()
        except OSError as error:
            raise SettingsError(f"store.folder {self._folder}: {error.strerror}") from error

    @property
    def settings(self) -> StoreSettings:
        """How often and how many."""
        return self._settings

    @property
    def folder(self) -> Path:
        """The folder."""
        return self._folder

    @property
    def _bundles(self) -> Path:
        return self._folder / "bundles"

    @property
    def _snapshots(self) -> Path:
        return self._folder / "snapshots"

    def bundle_names(self) -> list[str]:
        """Names of the bundles, in alphabetical order."""
        return sorted(path.name for path in self._bundles.iterdir() if _is_name(path.name))

    def refuse_name(self, name: str) -> None:
        """Check that a bundle may be called so.

        Raises:
            SettingsError: It may not.
        """
        _checked(name)

    def has_bundle(self, name: str) -> bool:
        """Whether there is a bundle of that name."""
        return _is_name(name) and (self._bundles / name).is_dir()

    def write_bundle(self, written: WrittenState) -> Path:
        """Keep a bundle under its model's name.

        Raises:
            SnapshotError: It cannot be written.
            SettingsError: The name is none.
        """
        folder = self._bundles / _checked(written.origin.model)
        write_state(written, folder)
        return folder

    def read_bundle(self, name: str) -> tuple[LiveState, Origin]:
        """A bundle as it was kept.

        Raises:
            NoBundleError: There is none of that name.
            SnapshotError: It is damaged or of other code.
            SettingsError: The name is none.
        """
        folder = self._bundles / _checked(name)
        if not folder.is_dir():
            known = ", ".join(self.bundle_names()) or "none"
            raise NoBundleError(f"no bundle {name!r} in {self._bundles} — there is {known}")
        return read_state(folder)

    def write_snapshot(self, written: WrittenState) -> Path:
        """Keep a snapshot, and drop the oldest ones beyond the number that is kept.

        Raises:
            SnapshotError: It cannot be written.
        """
        folder = self._snapshots / _checked(written.origin.model)
        path = folder / f"{written.origin.seq:0{_SEQ_DIGITS}d}"
        write_state(written, path)
        for old in self._seqs(folder)[self._settings.kept :]:
            shutil.rmtree(folder / f"{old:0{_SEQ_DIGITS}d}", ignore_errors=True)
        return path

    def newest_seq(self, model: str) -> int | None:
        """Number of the newest snapshot of a bundle; None: there is none."""
        return next(iter(self._seqs(self._snapshots / _checked(model))), None)

    def newest_state(
        self, model: str, log_id: str, last_seq: Callable[[], int]
    ) -> LiveState | None:
        """The newest whole state of a bundle that a log goes on from: a snapshot, or the bundle.

        Snapshots that cannot be used are told of in the program's log and put aside.

        Args:
            model: Name of the bundle.
            log_id: Id of the log.
            last_seq: Number of its newest entry: what knows more has another past.

        Returns:
            The state; None where not even the bundle can be used.
        """
        folder = self._snapshots / _checked(model)
        places = [folder / f"{seq:0{_SEQ_DIGITS}d}" for seq in self._seqs(folder)]
        for place in [*places, self._bundles / model]:
            if not place.is_dir():
                continue
            try:
                state, origin = read_state(place)
                _refuse_other_past(place, origin, log_id, last_seq())
            except SnapshotError as error:
                _LOG.warning("%s", error)
                self._put_aside(place)
                continue
            return state
        return None

    @contextmanager
    def alone(self, *, wait: bool) -> Iterator[bool]:
        """Whether this process is the only one to write snapshots until the block ends."""
        with (self._folder / ".lock").open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            try:
                yield True
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)

    def _seqs(self, folder: Path) -> list[int]:
        """Numbers of the snapshots in a folder, newest first."""
        if not folder.is_dir():
            return []
        names = [path.name for path in folder.iterdir()]
        return sorted((int(name) for name in names if name.isdigit()), reverse=True)

    def _put_aside(self, place: Path) -> None:
        """Rename a snapshot, so that it is looked at by people and not at each start."""
        if place.parent == self._bundles:
            return
        aside = place.with_name(f"{place.name}.bad")
        try:
            shutil.rmtree(aside, ignore_errors=True)
            place.rename(aside)
        except OSError as error:
            _LOG.warning("%s cannot be put aside: %s", place, error.strerror)


def _refuse_other_past(place: Path, origin: Origin, log_id: str, last_seq: int) -> None:
    if origin.log_id not in (None, log_id):
        raise SnapshotError(f"{place} knows another log, {origin.log_id} — this one is {log_id}")
    if origin.seq > last_seq:
        raise SnapshotError(
            f"{place} knows entries up to {origin.seq} — the log ends at {last_seq}: it was "
            "restored from an older backup"
        )


def _is_name(name: str) -> bool:
    return re.fullmatch(NAME_PATTERN, name) is not None


def _checked(name: str) -> str:
    if not _is_name(name):
        raise SettingsError(
            f"bundle name {name!r} — letters, digits, '.', '_' and '-', at most 80, the first a "
            "letter or digit"
        )
    return name
