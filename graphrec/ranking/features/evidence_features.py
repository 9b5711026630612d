"""What the sources said of a candidate, and what came with the list as it was shown."""

import numpy as np
from jaxtyping import Float32

from graphrec.arrays import NO_ROW
from graphrec.kernels.candidate_features import fill_evidence
from graphrec.ranking.features.declared import Asked, Feature
from graphrec.stages import Candidates, Evidence, Interactions


class EvidenceFeatures:
    """Every source's score and place. A source that did not answer leaves its columns missing."""

    def __init__(self, source_names: tuple[str, ...]) -> None:
        """Expect sources by these names."""
        self._names = source_names
        columns = []
        for name in source_names:
            columns += [
                Feature(f"{name}.score", f"score of {name}", "1", "sources"),
                Feature(
                    f"{name}.gap", f"that score less the best in {name}'s list", "1", "sources"
                ),
                Feature(f"{name}.place", f"log(1 + place in {name}'s list)", "1", "sources"),
            ]
        self.features = (
            *columns,
            Feature("sources.count", "sources that brought it", "1", "sources"),
        )

    def reset(self) -> None:
        """Nothing to forget."""

    def absorb(self, stream: str, events: Interactions) -> None:
        """Nothing to learn."""

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write three columns a source, and how many brought the candidate."""
        found = evidence_of(asked.candidates)
        answered = asked.candidates.source_names
        source_at = [answered.index(name) if name in answered else -1 for name in self._names]
        fill_evidence(
            asked.item_row,
            np.ascontiguousarray(found.score),
            np.ascontiguousarray(found.place),
            np.array(source_at, np.int64),
            at,
            out,
        )


class GivenFeatures:
    """Columns that are known only of a list as it was shown, such as prices or the place."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Expect columns by these names; one that is not given is missing."""
        self._names = names
        self.features = tuple(
            Feature(f"shown.{name}", f"{name} of the item in the list", "1", "shown")
            for name in names
        )

    def reset(self) -> None:
        """Nothing to forget."""

    def absorb(self, stream: str, events: Interactions) -> None:
        """Nothing to learn."""

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write the columns as they were given."""
        is_real = asked.item_row != NO_ROW
        for n, name in enumerate(self._names):
            if name in asked.given:
                out[..., at + n] = np.where(is_real, asked.given[name], np.nan)


def evidence_of(candidates: Candidates) -> Evidence:
    """The candidates' evidence; without one, scores and places of the source that found each."""
    if candidates.evidence is not None:
        return candidates.evidence
    n_sources = len(candidates.source_names)
    is_found = candidates.source[..., None] == np.arange(n_sources)
    is_found &= (candidates.item_row != NO_ROW)[..., None]
    place = np.arange(candidates.item_row.shape[1], dtype=np.int32)[:, None]
    score = candidates.score[..., None]
    return Evidence(
        np.where(is_found, score, np.float32(np.nan)), np.where(is_found, place, np.int32(-1))
    )
