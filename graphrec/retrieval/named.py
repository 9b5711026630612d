"""A source under another name, so that two of one kind may stand side by side."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from graphrec.stages import (
    Ageing,
    Candidates,
    CandidateSource,
    DescribedItems,
    Eligibility,
    Interactions,
    LearnsItems,
    Queries,
    Settling,
)


class NamedSource:
    """Another source, all but its name."""

    def __init__(self, source: CandidateSource, name: str) -> None:
        """Call `source` by `name`."""
        self.source = source
        self._name = name

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    @property
    def absorbs(self) -> bool:
        """Whether `absorb` changes anything."""
        return bool(getattr(self.source, "absorbs", True))

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Fit the source.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        self.source.fit(events, cut_s)

    def absorb(self, events: Interactions) -> None:
        """Let the source absorb `events`."""
        self.source.absorb(events)

    def advance(self, now_s: int) -> None:
        """Let time pass for the source, where it ages."""
        if isinstance(self.source, Ageing):
            self.source.advance(now_s)

    def learn_items(self, items: DescribedItems) -> None:
        """Let the source learn descriptions, if it reads any."""
        if isinstance(self.source, LearnsItems):
            self.source.learn_items(items)

    def settle(self) -> None:
        """Bring the source up to date, so that questions change nothing."""
        if isinstance(self.source, Settling):
            self.source.settle()

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """The source's scores."""
        return self.source.score(queries)

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """What the source finds, under this name."""
        return replace(self.source.retrieve(queries, k, eligibility), source_names=(self._name,))
