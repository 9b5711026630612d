"""What is refused within an answer: a slate's items by filters, and what a ranker lost."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.stages import Candidates, Decision, Slate

RULE = "filter"


def without_refused(slate: Slate, allowed: Bool[np.ndarray, " items"]) -> Slate:
    """The slate less what is not allowed, such as a pin; what stands below moves up.

    Args:
        slate: As it was arranged.
        allowed: Items that the request's filters let through; later rows are refused.
    """
    shown = slate.shown
    real = shown.item_row != NO_ROW
    known = real & (shown.item_row < len(allowed))
    refused = real & ~(known & allowed[np.where(known, shown.item_row, 0)])
    if not refused.any():
        return slate
    stays = real & ~refused
    order = np.argsort(~stays, axis=1, kind="stable")
    column = np.where(np.take_along_axis(stays, order, axis=1), order, -1)
    lines = [
        Decision(int(query), int(shown.item_row[query, place]), RULE, "removed", "of the request")
        for query, place in zip(*np.nonzero(refused), strict=True)
    ]
    propensity = slate.propensity
    if propensity is not None:
        propensity = np.where(column < 0, 0, np.take_along_axis(propensity, order, axis=1))
    note = f"the request's filters removed {len(lines)} item(s) that the arranger had placed"
    return replace(
        slate,
        shown=shown.at_columns(column),
        propensity=propensity,
        decisions=(*slate.decisions, *lines),
        notes=(*slate.notes, note),
    )


def refuse_lost(found: Candidates, ranked: Candidates) -> None:
    """Check that a ranker returned the candidates that it was given, each with a number.

    Raises:
        DataError: It did not.
    """
    if ranked.item_row.shape != found.item_row.shape:
        raise DataError(
            f"{found.item_row.shape} candidates came back as {ranked.item_row.shape} — a ranker "
            "returns those it was given"
        )
    if not np.isfinite(ranked.score[ranked.item_row != NO_ROW]).all():
        raise DataError("a candidate's score is not finite — a ranker scores all it is given")
