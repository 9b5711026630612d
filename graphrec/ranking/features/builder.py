"""All features of candidates as one table: the same code in training, evaluation and service."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int64

from graphrec.arrays import NO_ROW
from graphrec.checks import refuse_future
from graphrec.errors import DataError, LeakageError
from graphrec.ranking.features.declared import EVENTS, Asked, Feature, FeatureFamily
from graphrec.ranking.features.evidence_features import EvidenceFeatures, GivenFeatures
from graphrec.ranking.features.history_features import ContextFeatures, PairHistoryFeatures
from graphrec.ranking.features.item_columns import Fit, ItemColumnFeatures
from graphrec.ranking.features.name_features import NameFeatures, NamesOfItems
from graphrec.ranking.features.popularity_features import AgeFeatures, PopularityFeatures
from graphrec.ranking.features.settings import FeatureSettings
from graphrec.ranking.features.step_features import StepFeatures
from graphrec.ranking.features.stream_features import PairStreamFeatures, Rate, RateFeatures
from graphrec.ranking.features.streams import PendingStreams
from graphrec.ranking.features.visitor_features import ArrivalFeatures, VisitorFeatures
from graphrec.stages import Candidates, Interactions, Queries

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class FeatureInputs:
    """What features are made of beside the events.

    Attributes:
        source_names: Candidate sources whose scores and places are read.
        names: Names of items by kind, such as `publisher` and `keyword`.
        published_s: When each item was published, UTC seconds; None: not known.
        streams: Other events by name, such as likes or what was shown; each becomes known strictly
            before the moment of a question.
        rates: Rates between streams, by item.
        publisher_rates: The same by publisher, where names of the kind `publisher` are known.
        numbers: Columns of items by name, known from publication on; NaN is missing.
        fits: Properties that users and items share, by name.
        given: Names of columns that come with a list as it was shown.
    """

    source_names: tuple[str, ...] = ()
    names: Mapping[str, NamesOfItems] = field(default_factory=dict)
    published_s: Int64[np.ndarray, " items"] | None = None
    streams: Mapping[str, Interactions] = field(default_factory=dict)
    rates: tuple[Rate, ...] = ()
    publisher_rates: tuple[Rate, ...] = ()
    numbers: Mapping[str, Float32[np.ndarray, " items"]] = field(default_factory=dict)
    fits: Mapping[str, Fit] = field(default_factory=dict)
    given: tuple[str, ...] = ()


class FeatureBuilder:
    """Builds the features of candidates from what it has absorbed, and nothing else."""

    def __init__(
        self, inputs: FeatureInputs | None = None, settings: FeatureSettings | None = None
    ) -> None:
        """Know what features there are; see `FeatureInputs`."""
        self._inputs = inputs or FeatureInputs()
        self._families = _families(self._inputs, settings or FeatureSettings())
        self._streams = PendingStreams(self._inputs.streams)
        self.features: tuple[Feature, ...] = tuple(
            feature for family in self._families for feature in family.features
        )
        self._n_items = 0
        self._told_until_s = np.iinfo(np.int64).min
        self._slot = np.empty(0, np.int32)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(feature.name for feature in self.features)

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, then learn from `events` and from streams before `cut_s`.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        refuse_future(events, cut_s, "features")
        for family in self._families:
            family.reset()
        self._streams.reset()
        self._n_items = 0
        self._told_until_s = cut_s
        self.absorb(events)
        self._tell_streams(cut_s)

    def absorb(self, events: Interactions) -> None:
        """Learn from events as they arrive."""
        self._n_items = max(self._n_items, events.n_items)
        if len(self._slot) < self._n_items:
            self._slot = np.full(2 * self._n_items, NO_ROW, np.int32)
        for family in self._families:
            family.absorb(EVENTS, events)

    def absorb_stream(self, name: str, events: Interactions) -> None:
        """Let events of another stream be known to questions of a later second.

        Raises:
            DataError: There is no such stream.
        """
        self._streams.add(name, events)

    def build(
        self,
        queries: Queries,
        candidates: Candidates,
        given: Mapping[str, Float32[np.ndarray, "users k"]] | None = None,
    ) -> Float32[np.ndarray, "users k features"]:
        """The features of each candidate as of its query.

        Args:
            queries: Who asks; all as of one state, so none before what was told already.
            candidates: The candidates.
            given: Columns that came with the lists, by name; what is not given is missing.

        Returns:
            A row for each candidate, NaN where a feature is missing and in padding.

        Raises:
            DataError: A candidate or a past item has no row.
            LeakageError: A query is no later than an event of a stream that an earlier query told.
        """
        item_row = np.ascontiguousarray(candidates.item_row)
        table = np.full((*item_row.shape, len(self.features)), np.nan, np.float32)
        if not item_row.size:
            return table
        self._check(queries, candidates)
        self._tell_streams(int(queries.time_s.min()))
        asked = Asked(queries, candidates, self._slot, dict(given or {}))
        at = 0
        for family in self._families:
            family.fill(asked, at, table)
            at += len(family.features)
        return table

    def _tell_streams(self, time_s: int) -> None:
        if not self._inputs.streams:
            return
        if time_s < self._told_until_s:
            raise LeakageError(
                f"features were asked for as of {time_s} s after streams were told up to "
                f"{self._told_until_s} s — ask in order of time"
            )
        for name, events in self._streams.told_before(time_s):
            self._told_until_s = max(self._told_until_s, int(events.time_s[-1]) + 1)
            for family in self._families:
                family.absorb(name, events)

    def _check(self, queries: Queries, candidates: Candidates) -> None:
        for what, rows in (("candidate", candidates.item_row), ("past", queries.history_item)):
            highest = int(rows.max(initial=NO_ROW))
            if highest >= self._n_items:
                raise DataError(
                    f"features of {what} item row {highest} — rows 0 to {self._n_items - 1} are "
                    "known, and new ones by absorb"
                )


def _families(inputs: FeatureInputs, settings: FeatureSettings) -> tuple[FeatureFamily, ...]:
    families: list[FeatureFamily] = [
        EvidenceFeatures(inputs.source_names),
        PairHistoryFeatures(),
        ContextFeatures(),
        PopularityFeatures("item", _seconds(settings.popularity_hours)),
        ArrivalFeatures(_seconds(settings.arrival_hours)),
        VisitorFeatures(settings.newest_visits),
        StepFeatures(
            settings.step_hours * HOUR_S,
            settings.step_reach,
            settings.step_discount,
            settings.recent_items,
        ),
    ]
    if inputs.published_s is not None:
        families.append(AgeFeatures(inputs.published_s))
    for kind, names in inputs.names.items():
        families.append(NameFeatures(kind, names, settings.affinity_events))
        if kind == "publisher":
            group = names.first()
            families.append(PopularityFeatures(kind, _seconds(settings.group_hours), group))
    if inputs.rates:
        families.append(
            RateFeatures(inputs.rates, settings.rate_hours * HOUR_S, settings.rate_prior)
        )
    if inputs.publisher_rates and "publisher" in inputs.names:
        families.append(
            RateFeatures(
                inputs.publisher_rates,
                settings.rate_hours * HOUR_S,
                settings.rate_prior,
                inputs.names["publisher"].first(),
            )
        )
    if inputs.numbers or inputs.fits:
        families.append(ItemColumnFeatures(inputs.numbers, inputs.fits))
    if inputs.streams:
        names_of_streams = tuple(inputs.streams)
        families.append(PairStreamFeatures(names_of_streams, settings.rate_hours * HOUR_S))
    if inputs.given:
        families.append(GivenFeatures(inputs.given))
    return tuple(families)


def _seconds(hours: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(HOUR_S * value for value in hours)
