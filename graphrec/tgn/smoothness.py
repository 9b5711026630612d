"""Items that users have one after the other are pulled together."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from graphrec.errors import SettingsError
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.settings import LossSettings


class CoWatchSmoothness:
    """How far apart the vectors of co-watched items stand.

    A pair is an event and the next one of the same user, so that an edge of the co-watch graph is
    drawn as often as it was walked.

    Source:
        Bui, Ravi and Ramavajjala 2018, arXiv:1703.04818 (neural graph machines), with 1 - cosine as
        the distance.
    """

    def __init__(
        self, index: EventIndex, wanted: Bool[Tensor, " events"], settings: LossSettings
    ) -> None:
        """Collect the pairs.

        Args:
            index: The log.
            wanted: Events that may be learnt from; both of a pair are.
            settings: The longest time between the two, and how many are drawn a step.

        Raises:
            SettingsError: There is no pair.
        """
        before, after = index.by_user[:-1], index.by_user[1:]
        within = (index.time_s[after] - index.time_s[before]) <= settings.smoothness_hours * 3600
        same_user = index.user[after] == index.user[before]
        # An item is as near to itself as can be.
        another = index.item[after] != index.item[before]
        pair = same_user & within & another & wanted[before] & wanted[after]
        self._from, self._to = index.item[before[pair]], index.item[after[pair]]
        self._n_drawn = settings.smoothness_pairs
        if not len(self._from):
            raise SettingsError(
                f"smoothness {settings.smoothness} — no user has two items within smoothness_hours "
                f"{settings.smoothness_hours}"
            )

    @property
    def pairs(self) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
        """Every pair of items, as often as it occurs."""
        return self._from, self._to

    def penalty(self, code: Float[Tensor, "items dim"]) -> Float[Tensor, ""]:
        """Mean of 1 - cosine over drawn pairs.

        Args:
            code: Unit vector of every item.
        """
        drawn = torch.randint(len(self._from), (self._n_drawn,), device=code.device)
        one = functional.embedding(self._from[drawn], code)
        other = functional.embedding(self._to[drawn], code)
        return 1 - (one * other).sum(-1).mean()
