"""The stages of a pipeline, for who looks at them and changes nothing."""

from dataclasses import dataclass

from graphrec.retrieval.blend import BlendedSource
from graphrec.stages import CandidateSource, Ranker


@dataclass(frozen=True, slots=True)
class Parts:
    """The stages as they stand.

    Attributes:
        source: Finds candidates.
        ranker: Orders them; None: they stand as they were found.
    """

    source: CandidateSource
    ranker: Ranker | None

    @property
    def sources(self) -> tuple[CandidateSource, ...]:
        """The sources of a blend, or the one there is."""
        source = self.source
        return tuple(source.sources) if isinstance(source, BlendedSource) else (source,)
