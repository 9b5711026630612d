"""What a caller should know of one answer."""

import logging

_LOG = logging.getLogger(__name__)


class Notes:
    """What a caller should know of one answer, each said once."""

    def __init__(self) -> None:
        self._notes: dict[str, None] = {}

    def add(self, *notes: str) -> None:
        """Say something."""
        self._notes.update(dict.fromkeys(notes))

    def unique(self) -> tuple[str, ...]:
        """All that was said, in order."""
        return tuple(self._notes)

    def failed(self, what: str, error: Exception, instead: str) -> None:
        """Say and log that a stage failed."""
        note = f"{what} failed, {instead}: {type(error).__name__}: {error}"
        _LOG.warning(note, exc_info=error)
        self.add(note)
