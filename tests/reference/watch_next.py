"""Slow twin of what users watch after an item."""


def following_slowly(events, window_s, gap_s):
    """Seconds after each (user, time_s, watched_s), in the order given; ties keep that order."""
    found = []
    for n, (user, time_s, watched_s) in enumerate(events):
        later = [
            (other_s, m, length)
            for m, (who, other_s, length) in enumerate(events)
            if who == user and (other_s, m) > (time_s, n)
        ]
        total, end_s = 0, time_s + watched_s
        for other_s, _, length in sorted(later):
            if other_s > time_s + window_s or other_s > end_s + gap_s:
                break
            total += length
            end_s = max(end_s, other_s + length)
        found.append(total)
    return found
