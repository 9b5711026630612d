"""The last-out protocol: hold out each user's last item, and the one before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int8, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import SettingsError
from graphrec.evaluation.asking import (
    AnswerSheet,
    Progress,
    chunks,
    first_positions,
    pair_key,
    popularity_of,
)
from graphrec.evaluation.guard import GuardedSource
from graphrec.evaluation.ranks import ItemLists
from graphrec.evaluation.results import SPLITS, EvaluationResult, Questions, slices_of
from graphrec.events.history import HistoryIndex
from graphrec.stages import CandidateSource, Interactions


class LastOutSettings(BaseModel):
    """How the last items are held out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seen: Literal["allow", "hide"] = Field(
        "hide", description="hide: items in the user's history are no candidates."
    )
    min_events: int = Field(
        3, ge=2, description="Users with fewer events are learnt from and not evaluated."
    )
    learn_validation: bool = Field(
        False,
        description="Fit again with the validation items before the test; otherwise they are in "
        "the histories only, as published sequential figures have it.",
    )
    splits: tuple[Literal["validation", "test"], ...] = Field(
        ("validation", "test"), min_length=1, description="Which held-out items to evaluate."
    )
    top_k: int = Field(20, ge=0, le=1000, description="Recommended items noted for each query.")

    @property
    def regime_name(self) -> str:
        """`last item`, with what differs from the published protocol behind it."""
        return (
            "last item"
            + (", validation learnt" if self.learn_validation else "")
            + ("" if self.seen == "hide" else ", seen allowed")
        )

    def learnt_for(self, split: str) -> str:
        """The split up to which sources learn before they are asked about `split`."""
        return "validation" if split == "test" and self.learn_validation else "training"


def evaluate_last_out(
    sources: Sequence[CandidateSource],
    events: Interactions,
    settings: LastOutSettings,
    *,
    available_from_s: Int64[np.ndarray, " items"] | None = None,
    progress: Progress | None = None,
) -> list[EvaluationResult]:
    """Ask each source for every user's last item in the log's order, and for the one before it.

    All queries are asked as of one second after the log's end, because what others did until then
    has been learnt: this protocol has no common cut in time.

    Args:
        sources: Who is asked; each is fitted on all events that are not held out.
        events: The whole log, sorted by time.
        settings: What is held out and which items are candidates.
        available_from_s: When each item came into the catalogue, UTC seconds; it is compared with
            the time of the held-out event. None means that all were always there.
        progress: Told how far each source is.

    Returns:
        One result per source, over the same questions: validation first, then the test.

    Raises:
        SettingsError: No user has enough events.
        DataError: A source scores NaN or not one column per item.

    Source:
        Kang and McAuley 2018, arXiv:1808.09781; all items ranked, as in Petrov and Macdonald 2023,
        arXiv:2308.07192.
    """
    held = hold_out(events, settings)
    index = HistoryIndex(events)
    questions = _questions(events, held, settings, index)
    cut_s = int(events.time_s[-1]) + 1
    results = []
    for source in sources:
        guarded = GuardedSource(source)
        sheet = AnswerSheet(
            guarded, questions, top_k=settings.top_k, available_from_s=available_from_s
        )
        learnt = ""
        for split in settings.splits:
            if learnt != (up_to := settings.learnt_for(split)):
                sheet.fit(events.take(held.learnt(up_to)), cut_s)
                learnt = up_to
            mine = np.flatnonzero(questions.split == SPLITS.index(split))
            for first, last in chunks(int(mine[0]), int(mine[-1]) + 1, events.n_items):
                queries = index.queries(
                    questions.user_row[first:last],
                    np.full(last - first, cut_s, np.int64),
                    held.position[first:last],
                )
                seen = ItemLists.of_pointers(queries.history_ptr, queries.history_item)
                sheet.ask(first, queries, seen if settings.seen == "hide" else None)
                if progress:
                    progress(guarded.name, last, len(questions))
        results.append(sheet.result())
    return results


@dataclass(frozen=True, slots=True)
class HeldOutEvents:
    """Which events are held out.

    Attributes:
        validation: The second-last event of each evaluated user.
        test: The last one.
        position: Log position of each query's held-out event.
        split: Index into `SPLITS` of each query.
    """

    validation: Bool[np.ndarray, " events"]
    test: Bool[np.ndarray, " events"]
    position: Int64[np.ndarray, " queries"]
    split: Int8[np.ndarray, " queries"]

    def learnt(self, up_to: str) -> Bool[np.ndarray, " events"]:
        """The events to fit on: `training`, or `validation` to have those as well."""
        return ~self.test if up_to == "validation" else ~(self.test | self.validation)


def hold_out(events: Interactions, settings: LastOutSettings) -> HeldOutEvents:
    """Hold out every user's last event, and the one before it.

    Args:
        events: The whole log, sorted by time.
        settings: Which users are evaluated.

    Raises:
        SettingsError: No user has enough events.
    """
    by_user = np.argsort(events.user_row, kind="stable")
    counts = np.bincount(events.user_row, minlength=events.n_users)
    behind = np.cumsum(counts)[counts >= settings.min_events]
    if not len(behind):
        raise SettingsError(
            f"no user has {settings.min_events} events — lower min_events, or use another protocol"
        )
    chosen = {"validation": by_user[behind - 2], "test": by_user[behind - 1]}
    masks = {split: np.zeros(len(events), bool) for split in chosen}
    for split, positions in chosen.items():
        masks[split][positions] = True
    return HeldOutEvents(
        masks["validation"],
        masks["test"],
        np.concatenate([chosen[split] for split in settings.splits]).astype(np.int64),
        np.repeat([SPLITS.index(split) for split in settings.splits], len(behind)).astype(np.int8),
    )


def _questions(
    events: Interactions, held: HeldOutEvents, settings: LastOutSettings, index: HistoryIndex
) -> Questions:
    asked = events.take(held.position)
    popularity = popularity_of(events.take(held.learnt("training")))
    new_user = first_positions(events.user_row)[held.position] >= held.position
    new_item = popularity[asked.item_row] == 0
    return Questions(
        "last_out",
        settings.regime_name,
        held.split,
        asked.user_row,
        asked.time_s,
        np.arange(len(asked) + 1, dtype=np.int64),
        asked.item_row,
        slices_of(
            new_user,
            new_item,
            repeat=first_positions(pair_key(events))[held.position] < held.position,
            unseen_user=new_user,
            unseen_item=new_item,
        ),
        index.history_means(popularity.astype(np.float64), asked.user_row, held.position),
        popularity,
    )
