"""Items by when they were published."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def rank_newest(
    by_age: NDArray[np.int32],
    published_s: NDArray[np.int64],
    cut_s: NDArray[np.int64],
    popularity: NDArray[np.float32],
    score: NDArray[np.float32],
) -> None:
    """Score each item by its place among those published before the cut, the newest 1.

    `by_age` holds item rows, oldest first. Of items published in the same second the more popular
    one counts as newer; equally popular ones share a score.
    """
    n_items = len(by_age)
    rank = np.zeros(n_items, np.int64)
    for query in range(len(cut_s)):
        score[query] = 0.0
        reached = 0
        first = 0
        while first < n_items and published_s[by_age[first]] < cut_s[query]:
            stop = first + 1
            while stop < n_items and published_s[by_age[stop]] == published_s[by_age[first]]:
                stop += 1
            order = np.argsort(popularity[query][by_age[first:stop]])
            for place in range(stop - first):
                item = by_age[first + order[place]]
                if place == 0:
                    reached += 1
                elif popularity[query, item] > popularity[query, by_age[first + order[place - 1]]]:
                    reached += 1
                rank[first + order[place]] = reached
            first = stop
        for place in range(first):
            score[query, by_age[place]] = rank[place] / reached
