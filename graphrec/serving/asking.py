"""A question for a slate as callers put it: by ids, with a visit and a page, before rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final
from uuid import UUID

from graphrec.errors import DataError, UnknownIdError
from graphrec.events.ids import IdMap, Key
from graphrec.pipeline import Recommendation, Request
from graphrec.serving.cursors import MOST_SHOWN, read_cursor, write_cursor
from graphrec.serving.messages import ItemOut, ReasonOut, SlateOut

MOST_WEIGHT: Final = 1000.0
# Names of slates need not be secret, and asking the system for each takes longer.
_RANDOM: Final = Random()  # nosec B311 - see above


@dataclass(frozen=True, slots=True)
class SlateQuestion:
    """What a caller asks of a slate.

    Attributes:
        request: What the pipeline is asked.
        items: What this visit did so far, newest first.
        reasons: Whether reasons are wanted.
        cursor: Where the page before ended; None asks for the first page.
    """

    request: Request = field(default_factory=Request)
    items: tuple[Key, ...] = ()
    reasons: bool = True
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a question: what the pages before showed, as ids and as a request.

    Attributes:
        about: What all pages are of.
        shown: Ids of earlier pages, in their order.
        request: The question's request without them.
        reasons: Whether reasons are wanted.
    """

    about: str
    shown: tuple[Key, ...]
    request: Request
    reasons: bool

    def answer(
        self, places: Sequence[Recommendation], notes: Sequence[str], *, seq: int, time_s: int
    ) -> SlateOut:
        """The answer; its cursor is null where the slate came out short.

        Args:
            places: The slate.
            notes: What was done without.
            seq: Number of the newest entry that it knows of.
            time_s: As of when, UTC seconds.
        """
        items = [_place(one, with_reasons=self.reasons) for one in places]
        following = None
        if len(items) == self.request.k:
            following = write_cursor(self.about, [*self.shown, *(one.item_id for one in items)])
        return SlateOut.model_construct(
            slate_id=str(UUID(int=_RANDOM.getrandbits(128), version=4)),
            items=items,
            next_cursor=following,
            notes=list(notes),
            seq=seq,
            time_s=time_s,
        )


def page_of(about: str, question: SlateQuestion, items: IdMap) -> Page:
    """The page that a question asks for.

    Args:
        about: What all pages are of, such as a user.
        question: The question.
        items: Ids of items; what is known no more is not looked for.

    Raises:
        DataError: The cursor is damaged or of another question, or tells of too many items.
    """
    request = question.request
    if question.cursor is None:
        return Page(about, (), request, question.reasons)
    shown = read_cursor(about, question.cursor)
    if len(shown) + request.k > MOST_SHOWN:
        raise DataError(
            f"cursor of {len(shown)} items shown, and {request.k} more — pages reach to "
            f"{MOST_SHOWN} items: start anew, or ask for fewer"
        )
    rows = []
    for key in shown:
        try:
            rows.append(items.row(key))
        except UnknownIdError:
            continue
    return Page(about, shown, replace(request, shown_before=tuple(rows)), question.reasons)


def weights_in(said: Sequence[str]) -> Mapping[str, float]:
    """Weights given as `name:weight`.

    Raises:
        DataError: One is no such pair, stands there twice, or weighs too much.
    """
    weights: dict[str, float] = {}
    for one in said:
        name, _, text = one.rpartition(":")
        try:
            weight = float(text)
        except ValueError:
            weight = math.nan
        if not name or not abs(weight) <= MOST_WEIGHT:
            raise DataError(
                f"objective {one[:100]!r} — name:weight, such as freshness:0.5, weights from "
                f"-{MOST_WEIGHT:g} to {MOST_WEIGHT:g}"
            )
        if name in weights:
            raise DataError(f"objective {name!r} stands there twice — each name once")
        weights[name] = weight
    return weights


def _place(one: Recommendation, *, with_reasons: bool) -> ItemOut:
    because = one.reasons if with_reasons else ()
    # Nothing here is a caller's: checking it anew takes a tenth of a slate's time.
    return ItemOut.model_construct(
        item_id=one.item_id,
        title=one.title,
        score=one.score,
        found_by=[source.name for source in one.found_by] or [one.source],
        reasons=[
            ReasonOut.model_construct(kind=why.kind, id=why.key, name=why.name, share=why.share)
            for why in because
        ],
        propensity=one.propensity,
    )
