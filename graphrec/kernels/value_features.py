"""What a user made of items that bear the same names as a candidate."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.decayed_counters import find_pair
from graphrec.kernels.rank_features import pair_key


@njit(cache=True, nogil=True)
def fill_name_values(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    name_ptr: NDArray[np.int64],
    name_of: NDArray[np.int32],
    sum_key: NDArray[np.uint64],
    sums: NDArray[np.float32],
    count_key: NDArray[np.uint64],
    counts: NDArray[np.float32],
    user_mean: NDArray[np.float64],
    prior_strength: float,
    at: int,
    out: NDArray[np.float32],
) -> None:
    """Two columns of `out`, `[queries, k, columns]`, from `at` on.

    Item i bears the names `name_of[name_ptr[i]:name_ptr[i + 1]]`. Columns: values of the user for
    items with each of the candidate's names, less `user_mean`, summed over names and divided by
    their number + `prior_strength`; log(1 + that number). Rows whose candidate is -1, or bears no
    name, or whose user is -1, stay as they are.
    """
    for q in range(len(user)):
        if user[q] < 0:
            continue
        for c in range(item.shape[1]):
            i = item[q, c]
            if i < 0 or i + 1 >= len(name_ptr) or name_ptr[i] == name_ptr[i + 1]:
                continue
            total = 0.0
            count = 0.0
            for n in range(name_ptr[i], name_ptr[i + 1]):
                key = pair_key(user[q], name_of[n])
                found = find_pair(count_key, key)
                if count_key[found] != key:
                    continue
                count += counts[found]
                total += sums[find_pair(sum_key, key)] - counts[found] * user_mean[q]
            out[q, c, at] = total / (count + prior_strength)
            out[q, c, at + 1] = np.log1p(count)
