"""How many parts are kept of a source that learns on."""

from graphrec.object_graph import flatten
from graphrec.stages import CandidateSource, Interactions, Settling


def check_parts(source: CandidateSource, events: Interactions, first: int) -> None:
    """What is kept has as many parts however many batches came, here of one event each.

    What grows by a part for each batch stops everybody while it is copied, after some hours.
    """
    n_parts = []
    # Those that refit every 30 events do so after the fifth.
    for n in range(35):
        if n in (6, 34):
            flat = flatten(source)
            n_parts.append((len(flat.nodes), len(flat.arrays)))
        source.absorb(events.take(slice(first + n, first + n + 1)))
        if isinstance(source, Settling):
            source.settle()
    assert n_parts[1][0] < n_parts[0][0] + 10 and n_parts[1][1] < n_parts[0][1] + 10
