"""What the platform knows at midnight: which items are out, which are new, which are popular."""

import numpy as np
from jaxtyping import Int32, Int64

from graphrec.arrays import DAY_S
from graphrec.events.world.catalogue import Catalogue
from graphrec.events.world.settings import PolicySettings
from graphrec.kernels.world_scene import Links, Stock


def link_rows(catalogue: Catalogue) -> Links:
    """Items by niche, keyword and publisher, and keywords by niche."""
    items, keywords = catalogue.items, catalogue.keywords
    n_niches = len(catalogue.topics.of_niche)
    n_publishers = len(catalogue.publisher_quality)
    niche_ptr, niche_item = _group(items["niche"], n_niches)
    publisher_ptr, publisher_item = _group(items["publisher"], n_publishers)
    keyword_ptr, place = _group(keywords.keyword_row, len(keywords.topic))
    return Links(
        niche_ptr,
        niche_item,
        keywords.niche_ptr,
        keywords.niche_keyword,
        keyword_ptr,
        keywords.item_row[place],
        publisher_ptr,
        publisher_item,
    )


class Popularity:
    """Decayed watches of each item, and the stock they make each midnight."""

    def __init__(self, catalogue: Catalogue, links: Links, policy: PolicySettings) -> None:
        """Start without a single watch."""
        self._published_s = catalogue.items["published_s"].copy()
        self._order = links.niche_item
        self._policy = policy
        self._watches = np.zeros(len(self._published_s))

    def stock(self, midnight_s: int) -> Stock:
        """The catalogue at `midnight_s`: items are ordered by publication, so both are ranges."""
        fresh_s = midnight_s - int(self._policy.fresh_days * DAY_S)
        n_published = int(np.searchsorted(self._published_s, midnight_s, side="left"))
        fresh_from = int(np.searchsorted(self._published_s, fresh_s, side="left"))
        score = np.zeros(len(self._watches))
        score[:n_published] = (1.0 + self._watches[:n_published]) ** self._policy.rich_get_richer
        cumulative = np.concatenate([[0.0], np.cumsum(score[self._order])])
        return Stock(n_published, fresh_from, score, cumulative)

    def follow(self, other: "Popularity") -> None:
        """Take over what another has counted."""
        np.copyto(self._watches, other._watches)

    def absorb(self, watched: Int32[np.ndarray, " watches"]) -> None:
        """Let a day pass, and count its watches."""
        self._watches *= 0.5 ** (1.0 / self._policy.half_life_days)
        self._watches += np.bincount(watched, minlength=len(self._watches))


def _group(
    owner: Int32[np.ndarray, " rows"], n_owners: int
) -> tuple[Int64[np.ndarray, " bounds"], Int32[np.ndarray, " rows"]]:
    count = np.bincount(owner, minlength=n_owners)
    ptr = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    return ptr, np.argsort(owner, kind="stable").astype(np.int32)
