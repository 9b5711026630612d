"""What every candidate source refuses."""

from graphrec.errors import DataError, LeakageError
from graphrec.stages import Interactions, Queries


def refuse_future(events: Interactions, cut_s: int, name: str) -> None:
    """Check that all `events` lie before `cut_s` (UTC seconds).

    Args:
        events: What the source is to learn from.
        cut_s: The cut.
        name: Name of the source, for the message.

    Raises:
        LeakageError: An event is at or after `cut_s`.
    """
    if not len(events):
        return
    latest_s = int(events.time_s.max())
    if latest_s >= cut_s:
        raise LeakageError(
            f"{name} was to learn from an event at {latest_s} s with the cut at {cut_s} s — "
            "every event it is fitted on lies before the cut"
        )


def refuse_unknown_items(queries: Queries, n_items: int, name: str) -> None:
    """Check that histories hold only items the source has a row for.

    Args:
        queries: The queries.
        n_items: Rows the source knows, from its last `fit` or `absorb`.
        name: Name of the source, for the message.

    Raises:
        DataError: A history holds an item row outside `[0, n_items)`.
    """
    items = queries.history_item
    if not len(items):
        return
    lowest, highest = int(items.min()), int(items.max())
    if lowest < 0 or highest >= n_items:
        row = lowest if lowest < 0 else highest
        raise DataError(
            f"{name} was asked about a history with item row {row} — it knows rows 0 to "
            f"{n_items - 1}, and learns of new ones by absorb"
        )
