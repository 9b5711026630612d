"""The stages of a pipeline, for who looks at them and changes nothing."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from graphrec.events.history import LiveHistory
from graphrec.retrieval.blend import BlendedSource
from graphrec.stages import CandidateSource, Ranker


@dataclass(frozen=True, slots=True)
class Parts:
    """The stages as they stand.

    Attributes:
        source: Finds candidates.
        ranker: Orders them; None: they stand as they were found.
        history: What each user did.
    """

    source: CandidateSource
    ranker: Ranker | None
    history: LiveHistory

    @property
    def sources(self) -> tuple[CandidateSource, ...]:
        """The sources of a blend, or the one there is."""
        source = self.source
        return tuple(source.sources) if isinstance(source, BlendedSource) else (source,)

    @property
    def watches_by_item(self) -> Int64[np.ndarray, " some"]:
        """Events that counted as watches, by item row; items beyond its end have none."""
        return self.history.n_by_item
