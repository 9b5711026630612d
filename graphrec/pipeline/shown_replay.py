"""What a ranker of shown lists learns from: a log lived through again, list by list."""

import numpy as np
from jaxtyping import Float32

from graphrec.checks import refuse_future
from graphrec.errors import DataError
from graphrec.events.history import HistoryIndex
from graphrec.events.shown_lists import CLICKED, ShownLists
from graphrec.pipeline.replay import with_evidence_of
from graphrec.ranking.features.builder import FeatureBuilder
from graphrec.ranking.features.list_features import POSITION
from graphrec.ranking.training_set import RankingSet
from graphrec.stages import Candidates, CandidateSource, Eligibility, Interactions, Queries


def replay_shown(
    source: CandidateSource,
    builder: FeatureBuilder,
    events: Interactions,
    lists: ShownLists,
    cut_s: int,
) -> RankingSet:
    """What was known of each item of each list just before the second it was shown in.

    Source and features are fitted on the events before the cut; then every list from there on is
    asked for in turn. Its items are all that the source may answer with, so that places and scores
    are those within the list. Events are absorbed up to the second before each list. Lists
    themselves, and their clicks, are told by the builder's streams; see `ShownLists.streams`.

    Args:
        source: Says what it thinks of the items.
        builder: Builds the features. Columns it is given: those of `lists`, and `position`.
        events: The log, sorted by time, with a row for every shown item.
        lists: The lists.
        cut_s: Where lists start, UTC seconds.

    Returns:
        The lists from the cut on, whose outcome `clicked` is 1 or 0; within each list by item row,
        which says nothing of the order shown.

    Raises:
        DataError: No list lies at or after the cut.
    """
    first = int(np.searchsorted(lists.time_s, cut_s))
    if first == len(lists):
        raise DataError(f"no list is shown at or after {cut_s} s — cut the log earlier")
    past = events.take(slice(0, int(np.searchsorted(events.time_s, cut_s))))
    refuse_future(past, cut_s, "shown lists")
    source.fit(past, cut_s)
    builder.fit(past, cut_s)
    index, told = HistoryIndex(events), len(past)
    parts = []
    for number in range(first, len(lists)):
        border = int(np.searchsorted(events.time_s, lists.time_s[number]))
        if border > told:
            fresh = events.take(slice(told, border))
            source.absorb(fresh)
            builder.absorb(fresh)
            told = border
        one = slice(number, number + 1)
        queries = index.queries(lists.user_row[one], lists.time_s[one])
        parts.append(_features_of(source, builder, queries, lists, number))
    return _as_set(lists, first, np.concatenate(parts), builder.names)


def candidates_of_list(
    source: CandidateSource, queries: Queries, lists: ShownLists, number: int
) -> Candidates:
    """The items of one list in the order shown, with what the source says of each of them."""
    items = lists.item_row[lists.of_list(number)]
    allowed = np.zeros(lists.n_items, np.bool_)
    allowed[items] = True
    found = source.retrieve(queries, len(items), Eligibility("allow", allowed))
    return with_evidence_of(found, items[None, :])


def _features_of(
    source: CandidateSource,
    builder: FeatureBuilder,
    queries: Queries,
    lists: ShownLists,
    number: int,
) -> Float32[np.ndarray, "pairs features"]:
    where = lists.of_list(number)
    given = {name: column[where][None, :] for name, column in lists.columns.items()}
    given[POSITION] = np.arange(where.stop - where.start, dtype=np.float32)[None, :]
    candidates = candidates_of_list(source, queries, lists, number)
    features: Float32[np.ndarray, "pairs features"] = builder.build(queries, candidates, given)[0]
    return features


def _as_set(
    lists: ShownLists,
    first: int,
    features: Float32[np.ndarray, "pairs features"],
    names: tuple[str, ...],
) -> RankingSet:
    begin = int(lists.list_ptr[first])
    list_of = np.repeat(np.arange(len(lists)), np.diff(lists.list_ptr))[begin:]
    # LightGBM breaks ties of scores by row: rows in the order shown would tell it the order.
    row = begin + np.lexsort([lists.item_row[begin:], list_of])
    return RankingSet(
        names,
        features[row - begin],
        lists.list_ptr[first:] - begin,
        lists.time_s[first:],
        lists.user_row[first:],
        lists.item_row[row],
        lists.position[row],
        (CLICKED,),
        lists.clicked[row].astype(np.float32)[:, None],
        np.ones(len(row), np.float32),
    )
