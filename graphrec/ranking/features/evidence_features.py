"""What the sources said of a candidate, and what came with the list as it was shown."""

import numpy as np
from jaxtyping import Float32

from graphrec.arrays import NO_ROW
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
        names = asked.candidates.source_names
        is_real = asked.item_row != NO_ROW
        count = np.zeros(is_real.shape, np.float32)
        for n, name in enumerate(self._names):
            if name not in names:
                continue
            source = names.index(name)
            score, place = found.score[..., source], found.place[..., source]
            brought = is_real & (place >= 0)
            count += brought
            best = np.max(np.where(brought, score, -np.inf), axis=1, keepdims=True, initial=-np.inf)
            column = at + 3 * n
            out[..., column] = np.where(brought, score, np.nan)
            out[..., column + 1] = np.where(brought, score - np.where(brought, best, 0), np.nan)
            out[..., column + 2] = np.where(brought, np.log1p(np.maximum(place, 0)), np.nan)
        out[..., at + 3 * len(self._names)] = np.where(is_real, count, np.nan)


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
        for n, name in enumerate(self._names):
            if name in asked.given:
                out[..., at + n] = asked.given[name]


def evidence_of(candidates: Candidates) -> Evidence:
    """The candidates' evidence; of a single source, its scores and places."""
    if candidates.evidence is not None:
        return candidates.evidence
    shape = candidates.item_row.shape
    place = np.where(candidates.item_row == NO_ROW, -1, np.arange(shape[1]))
    score = np.where(candidates.item_row == NO_ROW, np.nan, candidates.score)
    return Evidence(score.astype(np.float32)[..., None], place.astype(np.int32)[..., None])
