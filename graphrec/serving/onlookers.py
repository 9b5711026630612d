"""Who looks on while a service works: what is counted, how fresh slates are, what they show."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from graphrec.serving.freshness import Freshness
from graphrec.serving.metrics import Metrics
from graphrec.serving.overview import Overview, RecommenderOut, recommender_of
from graphrec.serving.service import Service
from graphrec.serving.shown_items import ShownItems
from graphrec.serving.watching import Watchers


class Onlookers:
    """All that is told of a service's events and slates."""

    def __init__(self, service: Service) -> None:
        """Look on at `service`, which tells nobody else from here on."""

        def recommender() -> RecommenderOut:
            with service.engine.read() as state:
                return recommender_of(state)

        self.metrics = Metrics(service.status, lambda: recommender().name)
        self.shown = ShownItems()
        self._freshness = Freshness(service.engine, self.metrics.became_visible)
        self.overview = Overview(
            self.metrics, recommender, lambda: service.status().failure, service.n_behind
        )
        service.watcher = Watchers((self.metrics, self._freshness, self.shown))

    @asynccontextmanager
    async def life(self, _: FastAPI) -> AsyncIterator[None]:
        """Look on in threads of their own from an app's start to its end."""
        self._freshness.start()
        self.overview.start()
        try:
            yield
        finally:
            self._freshness.close()
            self.overview.close()
