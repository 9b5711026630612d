"""Slates and histories in the caller's words: ids, titles, reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphrec.arrays import NO_ROW
from graphrec.events.catalogue import Catalogue
from graphrec.events.ids import IdMap
from graphrec.pipeline.explaining import PastNames, Reason, Recommendation, Watched, found_by
from graphrec.ranking.learned import FeatureEffect
from graphrec.stages import Candidates, Queries, Slate


@dataclass(frozen=True, slots=True)
class ItemWords:
    """Ids and titles of items.

    Attributes:
        ids: Rows of item ids.
        catalogue: What is known of items.
    """

    ids: IdMap
    catalogue: Catalogue

    def title(self, row: int) -> str:
        """An item's title, or its id where it has none."""
        title = self.catalogue.title(row)
        return str(self.ids.key(row)) if title is None else title

    def watched(self, queries: Queries, query: int, limit: int) -> list[Watched]:
        """The newest `limit` items of one query's history, newest first."""
        rows = queries.history_item[queries.history(query)][:limit].tolist()
        return [Watched(self.ids.key(row), self.title(row)) for row in rows]

    def described(
        self,
        slate: Slate,
        query: int,
        past: PastNames | None,
        effects: Mapping[int, Sequence[FeatureEffect]],
    ) -> list[Recommendation]:
        """The places of one query's slate.

        Args:
            slate: All slates.
            query: Which one.
            past: Names of the history, for reasons; None: not told.
            effects: What moved each ranked item, by row.
        """
        shown = slate.shown
        described = []
        for place in np.flatnonzero(shown.item_row[query] != NO_ROW).tolist():
            row = int(shown.item_row[query, place])
            because = self._because(shown, query, place)
            named = [] if past is None else past.reasons(row)
            described.append(
                Recommendation(
                    self.ids.key(row),
                    self.title(row),
                    float(shown.score[query, place]),
                    shown.source_names[shown.source[query, place]],
                    None if because is None else because.key,
                    None if because is None else because.name,
                    float(shown.reason_share[query, place]),
                    found_by(shown, query, place),
                    tuple(named if because is None else [because, *named]),
                    tuple(effects.get(row, [])),
                    None if slate.propensity is None else float(slate.propensity[query, place]),
                )
            )
        return described

    def _because(self, shown: Candidates, query: int, place: int) -> Reason | None:
        row = int(shown.reason_item[query, place])
        if row == NO_ROW:
            return None
        share = float(shown.reason_share[query, place])
        return Reason("item", self.ids.key(row), self.title(row), share)
