"""What a temporal network learns under a protocol, and the events that it is judged by."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from graphrec.errors import SettingsError
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.last_out import hold_out
from graphrec.evaluation.ranks import ItemLists
from graphrec.evaluation.results import Questions
from graphrec.evaluation.stream import same_second_lists, stream_questions
from graphrec.events.history import HistoryIndex
from graphrec.experiment.settings import (
    LastOutProtocol,
    Protocol,
    StreamProtocol,
    TimeSplitProtocol,
)
from graphrec.stages import Interactions
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.held_out import HeldOut, HeldOutPositions, HeldOutQueries
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.temporal_state import TemporalState


@dataclass(frozen=True, slots=True)
class Task:
    """What a network learns and is judged by.

    Attributes:
        protocol: The protocol.
        label: Its name.
        events: The log that is indexed.
        n_training: The first so many of `events` are predicted in training.
        stale_batch: As in `TrainingSettings`.
        judges: Makes the validation and test parts.
        cut_s: All that is learnt lies before this time, UTC seconds.
        questions: Both parts as the evaluation asks them, in the same order, a relevant item each;
            None where slices of them mean nothing.
    """

    protocol: Protocol
    label: str
    events: Interactions
    n_training: int
    stale_batch: int
    judges: Callable[[EventIndex, TemporalNetwork], tuple[HeldOut, HeldOut]]
    cut_s: int
    questions: Questions | None


def task_of(protocol: Protocol, events: Interactions) -> Task:
    """What a network learns of `events` under a protocol, and what it is judged by.

    Raises:
        SettingsError: Networks are not trained for the protocol, or it leaves a part empty.
    """
    match protocol:
        case StreamProtocol():
            return _stream_task(protocol, events)
        case LastOutProtocol():
            return _last_out_task(protocol, events)
        case TimeSplitProtocol():
            raise SettingsError(
                "protocol time_split — temporal networks are trained for stream and last_out; "
                "measure them under time_split with graphrec evaluate"
            )


def _stream_task(protocol: StreamProtocol, events: Interactions) -> Task:
    cuts = Cuts.at_quantiles(events, protocol.training, protocol.validation)
    start, middle, end = cuts.positions(events)
    if not start < middle < end:
        raise SettingsError(
            f"{middle - start:,} validation and {end - middle:,} test events — a network needs both"
        )
    stale = protocol.batch_size if protocol.regime == "batch" else 0
    spans = ((start, middle), (middle, end))
    tied = same_second_lists(events.take(slice(start, end)))
    if protocol.same_second == "keep":
        tied = ItemLists.empty(end - start)

    def judges(index: EventIndex, network: TemporalNetwork) -> tuple[HeldOut, HeldOut]:
        del network
        validation, test = (
            HeldOutPositions(
                index,
                torch.arange(first, last, device=index.device),
                torch.from_numpy(_padded(tied.part(first - start, last - start))).to(index.device),
                stale_batch=stale,
                hide_seen=protocol.seen == "hide",
            )
            for first, last in spans
        )
        return validation, test

    label = f"stream, {protocol.regime_name}"
    return Task(
        protocol,
        label,
        events.take(slice(0, end)),
        start,
        stale,
        judges,
        cuts.validation_s,
        stream_questions(events, cuts, protocol),
    )


def _last_out_task(protocol: LastOutProtocol, events: Interactions) -> Task:
    if protocol.learn_validation or set(protocol.splits) != {"validation", "test"}:
        raise SettingsError(
            "last_out with learn_validation or without one of its splits — a network is judged "
            "on both, and learns neither"
        )
    held = hold_out(events, protocol)
    learnt = events.take(held.learnt("training"))
    history = HistoryIndex(events)
    cut_s = int(events.time_s[-1]) + 1

    def judges(index: EventIndex, network: TemporalNetwork) -> tuple[HeldOut, HeldOut]:
        state = TemporalState(network, index.device)
        state.absorb(learnt)
        parts = []
        for split in (0, 1):
            position = held.position[held.split == split]
            queries = history.queries(
                events.user_row[position], np.full(len(position), cut_s, np.int64), position
            )
            target = torch.from_numpy(events.item_row[position].astype(np.int64))
            parts.append(
                HeldOutQueries(
                    queries, target.to(index.device), state, hide=protocol.seen == "hide"
                )
            )
        return parts[0], parts[1]

    label = f"last_out, {protocol.regime_name}"
    return Task(protocol, label, learnt, len(learnt), 0, judges, cut_s, None)


def _padded(lists: ItemLists) -> np.ndarray:
    length = lists.stop - lists.start
    place = np.arange(max(1, length.max(initial=0)))
    inside = place < length[:, None]
    at = np.minimum(lists.start[:, None] + place, max(0, len(lists.item) - 1))
    if not len(lists.item):
        return np.full(inside.shape, -1, np.int64)
    return np.where(inside, lists.item[at], -1).astype(np.int64)
