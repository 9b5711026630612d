"""Slow twin of `graphrec.kernels.ranks`, to be checked by eye."""


def rank_one_target(scores, target, other_targets, excluded):
    """1 + half of the tied negatives + all the better negatives + the targets ahead of it."""
    rank = 1.0
    for item, score in enumerate(scores):
        if item == target or item in other_targets or item in excluded:
            continue
        if score > scores[target]:
            rank += 1.0
        elif score == scores[target]:
            rank += 0.5
    for other in other_targets:
        ahead = scores[other] > scores[target]
        rank += ahead or (scores[other] == scores[target] and other < target)
    return rank


def best_items(scores, targets, excluded, k):
    """The k best positive candidates, ties to the lower row, padded with -1."""
    candidates = [item for item in range(len(scores)) if item in targets or item not in excluded]
    found = [item for item in candidates if scores[item] > 0]
    found.sort(key=lambda item: (-scores[item], item))
    return (found + [-1] * k)[:k]
