"""Greedy choices of a slate: by marginal relevance and by determinants.

Similarities are read off the candidates' own descriptions, a row for each item chosen: a slate of
k out of n needs k rows of the n × n matrix. Symbols: `n` candidates, best first.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Likeness(NamedTuple):
    """What makes candidates alike: a weighted mean of three parts.

    `vector` is `[dim, n]`, columns of length 1 or 0; `group` is -1 where there is none; keywords of
    candidate j are `keyword[keyword_ptr[j]:keyword_ptr[j + 1]]`, ascending; `weight` is of vectors,
    group and keywords and adds up to 1; `shifted` takes cosines as (1 + cosine) / 2.
    """

    vector: NDArray[np.float32]
    group: NDArray[np.int32]
    keyword_ptr: NDArray[np.int64]
    keyword: NDArray[np.int32]
    weight: NDArray[np.float64]
    shifted: bool


@njit(cache=True, nogil=True)
def _overlap(likeness: Likeness, a: int, b: int) -> float:
    """Shared keywords over all keywords of two candidates; 0 where neither has any."""
    words, ptr = likeness.keyword, likeness.keyword_ptr
    i, j = ptr[a], ptr[b]
    shared = 0
    while i < ptr[a + 1] and j < ptr[b + 1]:
        if words[i] == words[j]:
            shared += 1
            i += 1
            j += 1
        elif words[i] < words[j]:
            i += 1
        else:
            j += 1
    union = ptr[a + 1] - ptr[a] + ptr[b + 1] - ptr[b] - shared
    return shared / union if union > 0 else 0.0


@njit(cache=True, nogil=True)
def write_likeness(likeness: Likeness, a: int, out: NDArray[np.float64]) -> None:
    """Write the similarity of candidate `a` to every candidate; 1 to itself."""
    n = len(out)
    weight = likeness.weight
    out[:] = 0.0
    if weight[0] > 0.0:
        cosine = np.zeros(n, np.float32)
        # Along candidates, not along dimensions: this sum vectorises without reordering.
        for c in range(likeness.vector.shape[0]):
            x = likeness.vector[c, a]
            for j in range(n):
                cosine[j] += x * likeness.vector[c, j]
        for j in range(n):
            value = np.float64(cosine[j])
            out[j] += weight[0] * (0.5 * (1.0 + value) if likeness.shifted else value)
    if weight[1] > 0.0 and likeness.group[a] >= 0:
        for j in range(n):
            if likeness.group[j] == likeness.group[a]:
                out[j] += weight[1]
    if weight[2] > 0.0:
        for j in range(n):
            out[j] += weight[2] * _overlap(likeness, a, j)
    out[a] = 1.0


@njit(cache=True, nogil=True)
def choose_by_marginal_relevance(
    relevance: NDArray[np.float64],
    likeness: Likeness,
    diversity: float,
    places: int,
    chosen: NDArray[np.int64],
) -> None:
    """Write the candidates of the first places: `(1 - diversity) relevance - diversity nearest`.

    `nearest` is the largest similarity to those chosen, 0 before the first. Ties go to the
    candidate that stands first.
    """
    n = len(relevance)
    nearest = np.full(n, -np.inf)
    row = np.empty(n)
    left = np.ones(n, np.bool_)
    for place in range(places):
        best = -1
        best_value = -np.inf
        for j in range(n):
            if not left[j]:
                continue
            value = (1.0 - diversity) * relevance[j]
            if place > 0:
                value -= diversity * nearest[j]
            if best < 0 or value > best_value:
                best, best_value = j, value
        chosen[place] = best
        left[best] = False
        if place + 1 < places:
            write_likeness(likeness, best, row)
            for j in range(n):
                nearest[j] = max(nearest[j], row[j])


@njit(cache=True, nogil=True)
def choose_by_determinant(
    quality: NDArray[np.float64],
    likeness: Likeness,
    places: int,
    least: float,
    chosen: NDArray[np.int64],
) -> int:
    """Write the candidates that each raise det(L) most, L = quality × similarity × quality.

    `factor[p, j]` is entry (j, p) of the Cholesky factor, `rest[j]` the squared pivot that j would
    have next: what it multiplies the determinant by. A candidate of whose squared quality no more
    than the share `least` is left is as good as a copy of those chosen. Returns how many were
    chosen before only such were left.
    """
    n = len(quality)
    rest = quality * quality
    factor = np.zeros((places, n))
    row = np.empty(n)
    left = np.ones(n, np.bool_)
    for place in range(places):
        best = -1
        for j in range(n):
            if left[j] and rest[j] > least * quality[j] * quality[j]:
                if best < 0 or rest[j] > rest[best]:
                    best = j
        if best < 0:
            return place
        chosen[place] = best
        left[best] = False
        if place + 1 == places:
            break
        write_likeness(likeness, best, row)
        for j in range(n):
            row[j] *= quality[best] * quality[j]
        for p in range(place):
            x = factor[p, best]
            for j in range(n):
                row[j] -= x * factor[p, j]
        pivot = np.sqrt(rest[best])
        for j in range(n):
            if left[j]:
                factor[place, j] = row[j] / pivot
                rest[j] -= factor[place, j] * factor[place, j]
    return places
