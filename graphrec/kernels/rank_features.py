"""Features of candidates, written into columns of `out`, which is `[queries, k, columns]`.

A kernel writes the columns from `at` on, in the order its caller declares. Rows whose candidate is
-1 stay as they are.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.decayed_counters import find_pair
from graphrec.kernels.hashing import mix_integer


@njit(cache=True, nogil=True)
def log_of(count: float) -> float:
    """log(1 + count), right to 2e-16, which float32 does not show; thrice as fast as log1p."""
    return math.log(1.0 + count)


@njit(cache=True, nogil=True)
def log_seconds(seconds: float) -> float:
    """log(1 + seconds), with what is negative at 0."""
    return log_of(max(seconds, 0.0))


@njit(cache=True, nogil=True)
def pair_key(first: int, second: int) -> np.uint64:
    """A key of two rows, never 0."""
    return (np.uint64(first) << np.uint64(32)) + np.uint64(second) + np.uint64(1)


@njit(cache=True, nogil=True)
def fill_row_counts(
    time_s: NDArray[np.int64],
    row_of: NDArray[np.int32],
    half_life_s: NDArray[np.float64],
    decayed: NDArray[np.float64],
    total: NDArray[np.float64],
    first_s: NDArray[np.int64],
    last_s: NDArray[np.int64],
    at: int,
    out: NDArray[np.float32],
) -> None:
    """Fading counts of each row, its total, ages of its first and last event, and its trend.

    `row_of` is `[queries, k]`, -1 where there is no row. Columns: log(1 + count) by half-life,
    log(1 + total), log age of the first event, log age of the last, and the log of the shortest
    count's rate over the longest's; ages and trend are missing where nothing happened.
    """
    n_scales = len(half_life_s)
    k = row_of.shape[1]
    totals = np.empty(k)
    firsts = np.empty(k, np.int64)
    lasts = np.empty(k, np.int64)
    fading = np.empty((k, n_scales))
    for q in range(len(time_s)):
        # Gathered first: reads that miss the cache overlap where nothing is computed between.
        for c in range(k if len(total) > 0 else 0):
            i = min(max(row_of[q, c], 0), len(total) - 1)
            totals[c] = total[i]
            firsts[c] = first_s[i]
            lasts[c] = last_s[i]
            for s in range(n_scales):
                fading[c, s] = decayed[i, s]
        for c in range(k):
            i = row_of[q, c]
            if i < 0:
                continue
            row = out[q, c]
            if i >= len(total) or totals[c] == 0.0:
                for s in range(n_scales + 1):
                    row[at + s] = 0.0
                continue
            age_s = max(time_s[q] - lasts[c], 0)
            shortest = 0.0
            longest = 0.0
            for s in range(n_scales):
                now = fading[c, s] * np.exp2(-age_s / half_life_s[s])
                row[at + s] = log_of(now)
                if s == 0:
                    shortest = now / half_life_s[0]
                longest = now / half_life_s[s]
            row[at + n_scales] = log_of(totals[c])
            row[at + n_scales + 1] = log_seconds(time_s[q] - firsts[c])
            row[at + n_scales + 2] = log_seconds(age_s)
            row[at + n_scales + 3] = math.log((shortest + 1e-12) / (longest + 1e-12))


@njit(cache=True, nogil=True)
def fill_rates(
    time_s: NDArray[np.int64],
    row_of: NDArray[np.int32],
    half_life_s: NDArray[np.float64],
    numerator: NDArray[np.float64],
    numerator_last_s: NDArray[np.int64],
    denominator: NDArray[np.float64],
    denominator_last_s: NDArray[np.int64],
    prior: float,
    prior_strength: float,
    at: int,
    out: NDArray[np.float32],
) -> None:
    """The smoothed rate of one fading count over another, at the longest half-life: one column."""
    s = len(half_life_s) - 1
    k = row_of.shape[1]
    n_above, n_below = len(numerator_last_s), len(denominator_last_s)
    above_of, below_of = np.zeros(k), np.zeros(k)
    above_s, below_s = np.zeros(k, np.int64), np.zeros(k, np.int64)
    for q in range(len(time_s)):
        # Gathered first: reads that miss the cache overlap where nothing is computed between.
        for c in range(k if n_above > 0 else 0):
            i = min(max(row_of[q, c], 0), n_above - 1)
            above_of[c] = numerator[i, s]
            above_s[c] = numerator_last_s[i]
        for c in range(k if n_below > 0 else 0):
            i = min(max(row_of[q, c], 0), n_below - 1)
            below_of[c] = denominator[i, s]
            below_s[c] = denominator_last_s[i]
        for c in range(row_of.shape[1]):
            i = row_of[q, c]
            if i < 0:
                continue
            above = 0.0
            below = 0.0
            if i < n_above:
                age_s = max(time_s[q] - above_s[c], 0)
                above = above_of[c] * np.exp2(-age_s / half_life_s[s])
            if i < n_below:
                age_s = max(time_s[q] - below_s[c], 0)
                below = below_of[c] * np.exp2(-age_s / half_life_s[s])
            out[q, c, at] = (above + prior * prior_strength) / (below + prior_strength)


@njit(cache=True, nogil=True)
def fill_pair_table(
    time_s: NDArray[np.int64],
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    slot_key: NDArray[np.uint64],
    total: NDArray[np.float32],
    last_s: NDArray[np.int64],
    at: int,
    out: NDArray[np.float32],
) -> None:
    """How often each user met each candidate in a stream, and how long ago last: two columns."""
    for q in range(len(time_s)):
        for c in range(item.shape[1]):
            if item[q, c] < 0:
                continue
            out[q, c, at] = 0.0
            if user[q] < 0:
                continue
            key = pair_key(user[q], item[q, c])
            found = find_pair(slot_key, key)
            if slot_key[found] == key:
                out[q, c, at] = log_of(total[found])
                out[q, c, at + 1] = log_seconds(time_s[q] - last_s[found])


@njit(cache=True, nogil=True)
def fill_steps(
    time_s: NDArray[np.int64],
    ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    item: NDArray[np.int32],
    half_life_s: float,
    n_recent: int,
    slot_key: NDArray[np.uint64],
    decayed: NDArray[np.float32],
    last_s: NDArray[np.int64],
    n_steps: NDArray[np.float64],
    at: int,
    out: NDArray[np.float32],
) -> None:
    """How strongly steps of all users lead from the last items to each candidate: six columns.

    `n_steps` is the number of steps out of each item. Columns: log(1 + steps from the last item),
    its share of all steps out of it, steps back from the candidate to it, the lift (steps over the
    root of both items' steps), the sum over the last `n_recent` distinct items, and its best.
    """
    recent = np.empty(n_recent, np.int32)
    probed = np.empty((n_recent + 1, item.shape[1]), np.uint64)
    mask = np.uint64(len(slot_key) - 1)
    for q in range(len(time_s)):
        n_found = 0
        for event in range(ptr[q], ptr[q + 1]):
            i = past_item[event]
            is_new = True
            for n in range(n_found):
                if recent[n] == i:
                    is_new = False
                    break
            if is_new:
                recent[n_found] = i
                n_found += 1
                if n_found == n_recent:
                    break
        # Table lookups miss the cache; made side by side, without branches, they overlap.
        for n in range(n_found):
            for c in range(item.shape[1]):
                slot = mix_integer(pair_key(recent[n], max(item[q, c], 0))) & mask
                probed[n, c] = slot_key[slot]
        for c in range(item.shape[1] if n_found > 0 else 0):
            slot = mix_integer(pair_key(max(item[q, c], 0), recent[0])) & mask
            probed[n_recent, c] = slot_key[slot]
        for c in range(item.shape[1]):
            candidate = item[q, c]
            if candidate < 0:
                continue
            row = out[q, c]
            for n in range(6):
                row[at + n] = 0.0
            both = 0.0
            best = 0.0
            for n in range(n_found):
                if probed[n, c] == 0:
                    continue
                key = pair_key(recent[n], candidate)
                found = find_pair(slot_key, key)
                if slot_key[found] != key:
                    continue
                age_s = max(time_s[q] - last_s[found], 0)
                steps = decayed[found] * np.exp2(-age_s / half_life_s)
                both += steps / (1.0 + n)
                best = max(best, steps / (1.0 + n_steps[recent[n]]))
                if n == 0:
                    row[at] = log_of(steps)
                    row[at + 1] = steps / (1.0 + n_steps[recent[0]])
                    to_candidate = n_steps[candidate] if candidate < len(n_steps) else 0.0
                    row[at + 3] = steps / math.sqrt(
                        (1.0 + n_steps[recent[0]]) * (1.0 + to_candidate)
                    )
            row[at + 4] = log_of(both)
            row[at + 5] = best
            if n_found > 0 and probed[n_recent, c] != 0:
                key = pair_key(candidate, recent[0])
                found = find_pair(slot_key, key)
                if slot_key[found] == key:
                    age_s = max(time_s[q] - last_s[found], 0)
                    steps = decayed[found] * np.exp2(-age_s / half_life_s)
                    row[at + 2] = log_of(steps)


@njit(cache=True, nogil=True)
def fill_affinity(
    ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    item: NDArray[np.int32],
    name_ptr: NDArray[np.int64],
    name_of: NDArray[np.int32],
    n_past: int,
    profile: NDArray[np.float64],
    at: int,
    out: NDArray[np.float32],
) -> None:
    """How much of the newest `n_past` events shares a name with each candidate: three columns.

    Item i bears the names `name_of[name_ptr[i]:name_ptr[i + 1]]`; `profile` is scratch, 0 before
    and after. Columns: mean share over the candidate's names of the history that bears them, the
    newest events counting most; the best of them; the overlap with the last item (Jaccard).
    """
    k = item.shape[1] if len(name_ptr) > 1 else 0
    begin = np.empty(k, np.int64)
    end = np.empty(k, np.int64)
    first = np.empty(k)
    for q in range(len(ptr) - 1):
        start = ptr[q]
        stop = min(ptr[q + 1], start + n_past)
        total = 0.0
        for event in range(start, stop):
            weight = 1.0 / math.sqrt(1.0 + event - start)
            total += weight
            i = past_item[event]
            if i + 1 < len(name_ptr):
                for n in range(name_ptr[i], name_ptr[i + 1]):
                    profile[name_of[n]] += weight
        # Gathered first: reads that miss the cache overlap where nothing is computed between.
        for c in range(k):
            i = min(max(item[q, c], 0), len(name_ptr) - 2)
            begin[c] = name_ptr[i]
            end[c] = name_ptr[i + 1]
        for c in range(k):
            if begin[c] < end[c]:
                first[c] = profile[name_of[begin[c]]]
        for c in range(k):
            i = item[q, c]
            if i < 0 or i + 1 >= len(name_ptr) or begin[c] == end[c] or total == 0.0:
                continue
            n_names = end[c] - begin[c]
            both = first[c]
            best = first[c]
            for n in range(begin[c] + 1, end[c]):
                both += profile[name_of[n]]
                best = max(best, profile[name_of[n]])
            out[q, c, at] = both / (total * n_names)
            out[q, c, at + 1] = best / total
            last = past_item[start]
            if last + 1 < len(name_ptr):
                shared = 0
                for n in range(begin[c], end[c]):
                    for m in range(name_ptr[last], name_ptr[last + 1]):
                        shared += name_of[n] == name_of[m]
                either = n_names + name_ptr[last + 1] - name_ptr[last] - shared
                out[q, c, at + 2] = shared / either
        for event in range(start, stop):
            i = past_item[event]
            if i + 1 < len(name_ptr):
                for n in range(name_ptr[i], name_ptr[i + 1]):
                    profile[name_of[n]] = 0.0
