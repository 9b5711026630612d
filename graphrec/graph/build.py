"""Build the co-watch graph from a log of events, all at once."""

import itertools

import numpy as np
from jaxtyping import Int64

from graphrec.graph.cowatch import CoWatchGraph
from graphrec.graph.pair_plan import PairPlan, Pairs, plan_pairs
from graphrec.graph.seen_ids import SeenIds
from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.threads import available_threads, balanced_bounds, close_gaps, run_blocks
from graphrec.graph.timelines import Timelines, arrange_by_user, check_events
from graphrec.graph.weighing import EdgeColumns
from graphrec.kernels.cowatch import merge_parts, write_pairs
from graphrec.stages import Interactions

_BLOCKS_PER_THREAD = 4


def build_cowatch_graph(
    events: Interactions, settings: CoWatchSettings, *, n_threads: int | None = None
) -> CoWatchGraph:
    """Build the graph of who watched what after what.

    Per user, in order of time (ties in order of arrival), event i gives event j weight where
    j comes at most `window_hours` and at most `max_successors` places later and their items differ;
    the pair is dated at j. The cold-start node gives weight to each user's first event.

    Beside the events it takes 8 bytes an event and 8 to 20 bytes a pair.

    Args:
        events: Events in order of arrival; need not be sorted. Of events with one `event_id` the
            first to arrive counts.
        settings: Which pairs count, and how they age.
        n_threads: Threads to use; None takes every core. The graph does not depend on it.

    Returns:
        The graph of all `events.n_items` items. It holds every event given, so give it only events
        that may be known when it is asked.

    Raises:
        DataError: Columns differ in length, a row lies outside its range, a time is no UTC second
            from 1833 to 2106, or a weight that counts is not finite and positive.

    Source:
        Davidson et al. 2010, "The YouTube Video Recommendation System" (co-visitation within 24 h),
        with direction, a bound on successors and a cold-start node, and without normalisation.
    """
    check_events(events, weighted=settings.weighted)
    if events.event_id is not None:
        is_new = SeenIds().absorb(events.event_id)
        events = events if is_new.all() else events.take(is_new)
    threads = n_threads or available_threads()
    return build_from_timelines(
        arrange_by_user(events, weighted=settings.weighted, n_threads=threads), settings, threads
    )


def build_from_timelines(
    timelines: Timelines, settings: CoWatchSettings, n_threads: int
) -> CoWatchGraph:
    """Build the graph of events that are sorted by user and time."""
    plan = plan_pairs(timelines, settings, n_threads)
    # Room for every pair: pages that merged pairs leave untouched take no memory.
    edges = EdgeColumns.empty(plan.n_pairs, settings)
    n_edges = np.zeros(timelines.n_items + 1, np.int64)
    pairs = Pairs.empty(plan)
    blocks: list[tuple[int, int]] = []
    for first, last in itertools.pairwise(plan.rounds.tolist()):
        stop = _write_round(plan, timelines, (first, last), pairs)
        if last == plan.rounds[-1]:
            # The last merge takes the most memory and no events; a caller may have let go of them.
            del timelines
        blocks += _merge_round(plan, (first, last), stop, pairs, edges, n_edges)
    starts = np.array([start for start, _ in blocks], np.int64)
    close_gaps(edges.columns(), starts, [size for _, size in blocks], n_threads)
    ptr = np.concatenate([[0], np.cumsum(n_edges)]).astype(np.int64)
    return CoWatchGraph(ptr, edges.target_row, edges.cohort, edges.count, edges.strength, settings)


def _write_round(
    plan: PairPlan, timelines: Timelines, parts: tuple[int, int], pairs: Pairs
) -> Int64[np.ndarray, "threads parts"]:
    """Write the pairs of parts `[first, last)`, each thread those of its users.

    Returns:
        Where each thread's pairs of each part end.
    """
    first, last = parts
    position: Int64[np.ndarray, "threads parts"] = plan.start - plan.part_ptr[first]
    settings = plan.settings

    def write(thread: int) -> None:
        write_pairs(
            timelines.packed,
            timelines.weight,
            timelines.user_ptr,
            plan.users[thread],
            plan.users[thread + 1],
            settings.window_s,
            settings.max_successors,
            settings.ageing.cohort_s,
            plan.first_cohort,
            plan.cohort_bits,
            settings.ageing.half_life_s,
            plan.part_of_node,
            plan.first_node,
            first,
            last,
            position[thread],
            pairs.key,
            pairs.strength,
        )

    run_blocks(write, plan.n_threads, plan.n_threads)
    return position


def _merge_round(
    plan: PairPlan,
    parts: tuple[int, int],
    stop: Int64[np.ndarray, "threads parts"],
    pairs: Pairs,
    edges: EdgeColumns,
    n_edges: Int64[np.ndarray, " nodes"],
) -> list[tuple[int, int]]:
    """Merge the pairs of some parts; return where each block of edges starts and its size."""
    first, last = parts
    n_blocks = 1 if plan.n_threads == 1 else _BLOCKS_PER_THREAD * plan.n_threads
    bounds = first + balanced_bounds(plan.part_ptr[first : last + 1], n_blocks)

    start = plan.start - plan.part_ptr[first]

    def merge(block: int) -> tuple[int, int]:
        begin = int(plan.part_ptr[bounds[block]])
        end = merge_parts(
            bounds[block],
            bounds[block + 1],
            plan.part_ptr,
            plan.first_node,
            plan.part_ptr[first],
            start,
            stop,
            pairs.key,
            pairs.strength,
            plan.first_cohort,
            plan.cohort_bits,
            n_edges,
            edges.target_row,
            edges.cohort,
            edges.count,
            edges.strength,
        )
        return begin, int(end) - begin

    return run_blocks(merge, n_blocks, plan.n_threads)
