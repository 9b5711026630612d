"""Scores of a boosted ensemble of trees: all rows of a block pass each split at once.

A tree of up to 64 leaves is a word of bits, one per leaf from left to right. Each split whose test
fails clears the leaves on its left; the lowest bit left is the leaf reached. No branch depends on a
row, so the compiler compares many rows per instruction.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

BLOCK = 128
"""Rows that pass a tree together; 40 columns of them are 20 KiB, which stay in the first cache."""
LOWEST_BIT_HASH = np.uint64(0x03F79D71B4CB0A89)
"""Times this (de Bruijn's) word, each power of two has six upper bits of its own."""
IS_CATEGORICAL = 1
DEFAULT_LEFT = 2
MISSING_ZERO = 4
MISSING_NAN = 8
ZERO = np.float32(1e-35)
FEW_WORDS = 12
"""A set of so few words is compared word by word, which needs no look-up for each row."""
NO_CATEGORY = np.uint32(0xFFFFFFFF)


@njit(cache=True, nogil=True)
def _pass_numerical(
    values: NDArray[np.float32],
    threshold: np.float32,
    kind: int,
    kept: int,
    leaves: NDArray[np.uint32],
) -> None:
    if kind & MISSING_ZERO:
        to_left = (kind & DEFAULT_LEFT) != 0
        for row in range(len(leaves)):
            value = values[row]
            is_missing = not (value < -ZERO or value > ZERO)
            goes_left = to_left if is_missing else value <= threshold
            leaves[row] = leaves[row] if goes_left else leaves[row] & kept
    elif kind & MISSING_NAN:
        if kind & DEFAULT_LEFT:
            for row in range(len(leaves)):
                leaves[row] = leaves[row] & kept if values[row] > threshold else leaves[row]
        else:
            for row in range(len(leaves)):
                leaves[row] = leaves[row] if values[row] <= threshold else leaves[row] & kept
    else:
        zero_left = np.float32(0.0) <= threshold
        for row in range(len(leaves)):
            value = values[row]
            goes_left = value <= threshold or (np.isnan(value) and zero_left)
            leaves[row] = leaves[row] if goes_left else leaves[row] & kept


@njit(cache=True, nogil=True)
def _write_codes(values: NDArray[np.float32], codes: NDArray[np.uint32]) -> None:
    for row in range(len(codes)):
        value = values[row]
        # Fractions are cut off towards zero, so that -0.5 is category 0; NaN fails both bounds.
        if value > np.float32(-1.0) and value < np.float32(2147483648.0):
            codes[row] = np.uint32(value)
        else:
            codes[row] = NO_CATEGORY


@njit(cache=True, nogil=True)
def _pass_categorical(
    codes: NDArray[np.uint32],
    members: NDArray[np.uint32],
    kept: int,
    leaves: NDArray[np.uint32],
    words: NDArray[np.uint32],
) -> None:
    last = np.uint32(len(members) - 1)
    if last <= FEW_WORDS:
        words[:] = 0
        for place in range(last):
            word = members[place]
            for row in range(len(leaves)):
                is_own = np.uint32(codes[row] >> np.uint32(5)) == np.uint32(place)
                words[row] = word if is_own else words[row]
    else:
        for row in range(len(leaves)):
            words[row] = members[min(np.uint32(codes[row] >> np.uint32(5)), last)]
    for row in range(len(leaves)):
        is_member = np.uint32(words[row] >> np.uint32(codes[row] & np.uint32(31))) & np.uint32(1)
        leaves[row] = leaves[row] if is_member else leaves[row] & kept


@njit(cache=True, nogil=True)
def score_trees(
    features: NDArray[np.float32],
    node_ptr: NDArray[np.int64],
    split_feature: NDArray[np.int32],
    threshold: NDArray[np.float32],
    kind: NDArray[np.uint8],
    kept: NDArray[np.uint32],
    member_ptr: NDArray[np.int64],
    members: NDArray[np.uint32],
    leaf_value: NDArray[np.float64],
    score: NDArray[np.float64],
) -> None:
    """Add up, for each row of `features`, the values of the leaves it reaches.

    Tree t has the splits `node_ptr[t]:node_ptr[t + 1]`, in any order. Split n sends a row to the
    left where `features[row, split_feature[n]] <= threshold[n]`, or where the row's category is a
    bit of `members[member_ptr[n]:member_ptr[n + 1]]`, whose last word has no bits and stands for
    all categories beyond; `kind[n]` says which, and where a missing value goes. `kept[n]` has the
    bits of all leaves but those on the split's left; its type (32 or 64 bits) is the word a tree
    is held in. `leaf_value[t]` holds the leaves' values at the six upper bits of the leaf's bit
    times `LOWEST_BIT_HASH`.

    Source:
        Lucchese et al. 2015, QuickScorer, without its order by feature: all splits are tested.
    """
    n_rows, n_features = features.shape
    columns = np.empty((n_features, BLOCK), np.float32)
    codes = np.empty((n_features, BLOCK), np.uint32)
    words = np.empty(BLOCK, np.uint32)
    is_categorical = np.zeros(n_features, np.bool_)
    for node in range(len(kind)):
        if kind[node] & IS_CATEGORICAL:
            is_categorical[split_feature[node]] = True
    leaves = np.empty(BLOCK, kept.dtype)
    for start in range(0, n_rows, BLOCK):
        n = min(BLOCK, n_rows - start)
        for row in range(n):
            for feature in range(n_features):
                columns[feature, row] = features[start + row, feature]
        for feature in range(n_features):
            if is_categorical[feature]:
                _write_codes(columns[feature], codes[feature, :n])
        for row in range(n):
            score[start + row] = 0.0
        for tree in range(len(node_ptr) - 1):
            leaves[:] = ~np.uint64(0)
            for node in range(node_ptr[tree], node_ptr[tree + 1]):
                feature = split_feature[node]
                if kind[node] & IS_CATEGORICAL:
                    own = members[member_ptr[node] : member_ptr[node + 1]]
                    _pass_categorical(codes[feature, :n], own, kept[node], leaves[:n], words[:n])
                else:
                    values = columns[feature, :n]
                    _pass_numerical(values, threshold[node], kind[node], kept[node], leaves[:n])
            for row in range(n):
                left = np.uint64(leaves[row])
                lowest = left & (~left + np.uint64(1))
                slot = (lowest * LOWEST_BIT_HASH) >> np.uint64(58)
                score[start + row] += leaf_value[tree, slot]
