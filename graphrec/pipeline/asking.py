"""What one request asks of ranker and arranger: the stages that answer it."""

from collections.abc import Mapping
from typing import Protocol, cast, runtime_checkable

import numpy as np

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.events.catalogue import Catalogue
from graphrec.pipeline.item_names import facts_of
from graphrec.pipeline.objectives import DEFAULT_WEIGHTS, WeighingRanker
from graphrec.pipeline.request import Request
from graphrec.slate.mmr import MmrSettings, order_by_mmr
from graphrec.slate.relevance import scale_relevance
from graphrec.slate.similarity import ItemSimilarity, SimilaritySettings
from graphrec.stages import Arranger, Candidates, Queries, Ranker, Slate

_BY_NAMES = SimilaritySettings(vectors=0, publisher=1, keywords=1)


@runtime_checkable
class _Weighable(Protocol):
    """A ranker of several objectives."""

    @property
    def objectives(self) -> Mapping[str, float]: ...

    def weighing(self, weights: Mapping[str, float]) -> Ranker: ...


@runtime_checkable
class _Askable(Protocol):
    """An arranger that can be asked for more or less diversity."""

    def asked(self, diversity: float | None, k: int, n_before: int = 0) -> Arranger: ...


def objectives_of(ranker: Ranker | None) -> dict[str, float]:
    """Weights by name: those that need no training, and the ranker's own, which go first."""
    own = _own_objectives(ranker)
    return {**own, **{name: w for name, w in DEFAULT_WEIGHTS.items() if name not in own}}


def asked_ranker(ranker: Ranker | None, request: Request, catalogue: Catalogue) -> Ranker | None:
    """The ranker by the weights that a request names; the same one where they change nothing.

    Raises:
        DataError: There is no objective of a name.
    """
    weights = objectives_of(ranker)
    for name in request.objectives:
        if name not in weights:
            raise DataError(f"no objective {name!r} — there are {', '.join(weights)}")
    changed = {name: w for name, w in request.objectives.items() if w != weights[name]}
    own, model = _own_objectives(ranker), cast(object, ranker)
    of_model = {name: weight for name, weight in changed.items() if name in own}
    if of_model and isinstance(model, _Weighable):
        ranker = model.weighing(of_model)
    if len(changed) == len(of_model):
        return ranker
    untrained = {name: w for name, w in {**weights, **changed}.items() if name not in own}
    return WeighingRanker(ranker, untrained, catalogue)


def asked_arranger(
    arranger: Arranger | None, request: Request, catalogue: Catalogue
) -> Arranger | None:
    """The arranger by the diversity and the page that a request names.

    Raises:
        DataError: The pipeline's arranger takes no diversity.
    """
    diversity, n_before = request.diversity, len(request.shown_before)
    if arranger is None:
        return NamesArranger(catalogue, diversity) if diversity else None
    if isinstance(arranger, _Askable):
        if diversity is None and not n_before:
            return arranger
        return arranger.asked(diversity, request.k, n_before)
    if diversity is not None:
        raise DataError(
            f"diversity {diversity:g} — slates of this pipeline are made by "
            f"{type(arranger).__name__}, which takes none"
        )
    return arranger


def _own_objectives(ranker: object) -> Mapping[str, float]:
    return ranker.objectives if isinstance(ranker, _Weighable) else {}


class NamesArranger:
    """Makes diverse slates by publishers and keywords as they are told now.

    For pipelines without an arranger: it keeps nothing, and looks up the candidates alone. By
    maximal marginal relevance, relevance scaled from 0 (the last candidate) to 1 (the first).
    """

    def __init__(self, catalogue: Catalogue, diversity: float) -> None:
        """Know the items, and the weight of unlikeness in (0, 1]."""
        self._catalogue = catalogue
        self._diversity = diversity

    def arrange(self, queries: Queries, candidates: Candidates, k: int) -> Slate:
        """At most `k` of the candidates of each query, in order of place."""
        column = np.full((len(queries), k), -1, np.int64)
        notes: dict[str, None] = {}
        settings = MmrSettings(diversity=self._diversity, places=min(max(k, 1), 1000))
        for query in range(len(queries)):
            real = np.flatnonzero(candidates.item_row[query] != NO_ROW)
            if not len(real):
                notes["no candidates"] = None
                continue
            similarity = ItemSimilarity(
                facts_of(self._catalogue, candidates.item_row[query][real]), _BY_NAMES
            )
            order = np.arange(len(real))
            if similarity.is_known:
                relevance = scale_relevance(candidates.score[query][real], "min_max")
                likeness = similarity.among(np.arange(len(real), dtype=np.int32))
                order = order_by_mmr(relevance, likeness, settings)
            else:
                notes["nothing is known by which items are alike: slates are not diversified"] = (
                    None
                )
            column[query, : len(order[:k])] = real[order[:k]]
        return Slate(candidates.at_columns(column), (*candidates.notes, *notes))
