"""How alike items are: by vectors, publishers, keywords or a mix, among the candidates only."""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from graphrec.kernels.slate import Likeness, write_likeness
from graphrec.row_lists import spliced
from graphrec.slate.facts import ItemFacts
from graphrec.stages import DescribedItems

_PUBLISHER: Final = "publisher"


class SimilaritySettings(BaseModel):
    """What makes two items alike. Weights count relative to each other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vectors: float = Field(1.0, ge=0, le=1000, description="Weight of the cosine of vectors.")
    publisher: float = Field(0.0, ge=0, le=1000, description="Weight of a shared publisher.")
    keywords: float = Field(
        0.0, ge=0, le=1000, description="Weight of shared over all keywords (Jaccard)."
    )
    shifted: bool = Field(
        False,
        description="Take cosines as (1 + cosine) / 2, so that opposite items are least alike.",
    )


class ItemSimilarity:
    """Similarity in [-1, 1], 1 of an item to itself, computed on demand.

    Parts that the catalogue lacks are left out and the others share their weight; `notes` says so.
    Every part is positive semi-definite, so any mix is fit for a determinantal point process.
    """

    def __init__(self, facts: ItemFacts, settings: SimilaritySettings) -> None:
        """Keep unit vectors and sorted keywords of the catalogue."""
        wanted = {
            "vectors": settings.vectors,
            "publisher": settings.publisher,
            "keywords": settings.keywords,
        }
        has = {
            "vectors": facts.vectors is not None,
            "publisher": _PUBLISHER in facts.groups,
            "keywords": facts.keyword is not None,
        }
        missing = [name for name, weight in wanted.items() if weight > 0 and not has[name]]
        self.notes = tuple(f"no {name} of items: similarity does without" for name in missing)
        weight = np.array([wanted[name] * has[name] for name in wanted])
        self._weight = weight / weight.sum() if weight.sum() > 0 else weight
        self._shifted = settings.shifted
        self._unit = _unit_rows(facts.vectors) if self._weight[0] > 0 else None
        self._publisher = facts.groups[_PUBLISHER] if self._weight[1] > 0 else None
        self._keyword_ptr: Int64[np.ndarray, " bounds"] | None = None
        self._keyword: Int32[np.ndarray, " keywords"] | None = None
        if self._weight[2] > 0 and facts.keyword_ptr is not None and facts.keyword is not None:
            self._keyword_ptr, self._keyword = _ascending(facts.keyword_ptr, facts.keyword)

    @property
    def is_known(self) -> bool:
        """Whether anything is known by which items could be alike."""
        return bool(self._weight.sum() > 0)

    def learn_items(self, facts: ItemFacts, items: DescribedItems) -> None:
        """Replace what is known of `items`; `facts` know them already."""
        if self._unit is not None and len(self._unit) < facts.n_items:
            self._unit = np.pad(self._unit, ((0, facts.n_items - len(self._unit)), (0, 0)))
        if self._publisher is not None:
            self._publisher = facts.groups[_PUBLISHER]
        if self._keyword_ptr is not None and self._keyword is not None:
            ptr, keyword = _ascending(items.keyword_ptr, items.keyword_row)
            self._keyword_ptr, (self._keyword,) = spliced(
                self._keyword_ptr, [self._keyword], items.item_row, ptr, [keyword]
            )

    def among(self, items: Int32[np.ndarray, " k"]) -> Likeness:
        """The descriptions of `items`, in that order, as the kernels take them."""
        n = len(items)
        vector: NDArray[np.float32] = np.zeros((0, n), np.float32)
        if self._unit is not None:
            vector = np.ascontiguousarray(self._unit[items].T)
        group = np.full(n, -1, np.int32) if self._publisher is None else self._publisher[items]
        ptr, keyword = np.zeros(n + 1, np.int64), np.empty(0, np.int32)
        if self._keyword_ptr is not None and self._keyword is not None:
            start = self._keyword_ptr[items]
            count = self._keyword_ptr[items.astype(np.int64) + 1] - start
            np.cumsum(count, out=ptr[1:])
            keyword = self._keyword[np.arange(ptr[-1]) + np.repeat(start - ptr[:-1], count)]
        return Likeness(vector, group, ptr, keyword, self._weight, self._shifted)

    def matrix(self, items: Int32[np.ndarray, " k"]) -> Float64[np.ndarray, "k k"]:
        """Similarity of every item to every other."""
        return likeness_matrix(self.among(items), len(items))


def likeness_matrix(likeness: Likeness, n: int) -> Float64[np.ndarray, "n n"]:
    """Similarity of every candidate to every other."""
    out = np.empty((n, n))
    for a in range(n):
        write_likeness(likeness, a, out[a])
    return out


def _unit_rows(vectors: Float32[np.ndarray, "items dim"] | None) -> NDArray[np.float32] | None:
    if vectors is None:
        return None
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.where(norm > 0, norm, 1.0)).astype(np.float32)
    return unit


def _ascending(
    ptr: Int64[np.ndarray, " bounds"], keyword: Int32[np.ndarray, " keywords"]
) -> tuple[Int64[np.ndarray, " bounds"], Int32[np.ndarray, " distinct"]]:
    """The same keywords, ascending in each row and each once."""
    row = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    order = np.lexsort((keyword, row))
    row, keyword = row[order], keyword[order]
    again: Bool[np.ndarray, " keywords"] = np.zeros(len(keyword), np.bool_)
    again[1:] = (row[1:] == row[:-1]) & (keyword[1:] == keyword[:-1])
    bounds = np.zeros(len(ptr), np.int64)
    np.cumsum(np.bincount(row[~again], minlength=len(ptr) - 1), out=bounds[1:])
    return bounds, keyword[~again]
