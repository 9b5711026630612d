"""One log out of the parts in which it arrived."""

from collections.abc import Sequence

import numpy as np

from graphrec.stages import Interactions


def joined_log(parts: Sequence[Interactions]) -> Interactions:
    """All events in order of time; events of one second keep the order in which they arrived."""
    time_s = np.concatenate([part.time_s for part in parts])
    order = np.argsort(time_s, kind="stable")
    return Interactions(
        time_s[order],
        np.concatenate([part.user_row for part in parts])[order],
        np.concatenate([part.item_row for part in parts])[order],
        np.concatenate([part.weight for part in parts])[order],
        max(part.n_users for part in parts),
        max(part.n_items for part in parts),
    )
