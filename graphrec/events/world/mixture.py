"""The world's own mixture as a policy among others."""

import numpy as np

from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.events.log import EventLog
from graphrec.events.world.draws import Draws
from graphrec.events.world.policy import PageRequests, Pages, ShownPages
from graphrec.kernels.world_loop import draw_pages
from graphrec.kernels.world_scene import ACT, PAGE, Records, Scene


class MixturePolicy:
    """The mixture under which a world's log is lived: popular, near, next, fresh, explore.

    It reads the platform's popularity count of midnight, which no other policy sees. A page is a
    hash of (seed, user, time), whatever it is asked together with.
    """

    def __init__(self, seed: int) -> None:
        """Draw pages by `seed`; the shares are those of the world's settings."""
        self._key = Draws(seed, "mixture").key_of(0)
        self._scene: Scene | None = None

    def fit(self, dataset: Dataset, cut_s: int) -> None:
        """Learn nothing: what is popular is read off the platform."""

    def absorb(self, events: EventLog, pages: ShownPages) -> None:
        """Learn nothing."""

    def read(self, scene: Scene) -> None:
        """Take over what the platform counts at a midnight."""
        self._scene = scene

    def recommend(self, requests: PageRequests) -> Pages:
        """Pages drawn place by place, and the chance of every draw.

        Raises:
            DataError: No platform was read.
        """
        if self._scene is None:
            raise DataError("the mixture has no platform to read — `live_loop` hands it one")
        shape = (len(requests), requests.n_places)
        records = Records(
            np.empty(0, ACT),
            np.empty(0, PAGE),
            np.empty(shape, np.int32),
            np.empty(shape, np.float32),
        )
        queries = requests.queries
        draw_pages(self._scene, self._key, queries.user_row, queries.time_s, records)
        return Pages(records.shown, records.chance)
