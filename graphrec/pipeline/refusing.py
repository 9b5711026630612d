"""What a request's filters refuse leaves a slate, whoever put it there."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Shaped

from graphrec.arrays import NO_ROW
from graphrec.stages import Decision, Evidence, Slate

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
    is_open = ~np.take_along_axis(stays, order, axis=1)

    def moved(
        column: Shaped[np.ndarray, "users k *more"], pad: int | float
    ) -> Shaped[np.ndarray, "users k *more"]:
        at = order.reshape(*order.shape, *[1] * (column.ndim - 2))
        column = np.take_along_axis(column, at, axis=1)
        column[is_open] = pad
        return column

    evidence = shown.evidence
    left = replace(
        shown,
        item_row=moved(shown.item_row, NO_ROW),
        score=moved(shown.score, -np.inf),
        source=moved(shown.source, -1),
        reason_item=moved(shown.reason_item, NO_ROW),
        reason_share=moved(shown.reason_share, 0),
        evidence=None
        if evidence is None
        else Evidence(moved(evidence.score, np.nan), moved(evidence.place, -1)),
    )
    lines = [
        Decision(int(query), int(shown.item_row[query, place]), RULE, "removed", "of the request")
        for query, place in zip(*np.nonzero(refused), strict=True)
    ]
    propensity = None if slate.propensity is None else moved(slate.propensity, 0)
    note = f"the request's filters removed {len(lines)} item(s) that the arranger had placed"
    return replace(
        slate,
        shown=left,
        propensity=propensity,
        decisions=(*slate.decisions, *lines),
        notes=(*slate.notes, note),
    )
