"""All features of candidates as one table: the same code in training, evaluation and service."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32, Int64

from graphrec.arrays import NO_ROW
from graphrec.checks import refuse_future
from graphrec.errors import DataError, LeakageError
from graphrec.ranking.features.declared import EVENTS, Asked, Feature, FeatureFamily
from graphrec.ranking.features.evidence_features import EvidenceFeatures, GivenFeatures
from graphrec.ranking.features.history_features import ContextFeatures, PairHistoryFeatures
from graphrec.ranking.features.item_columns import Fit, ItemColumnFeatures
from graphrec.ranking.features.list_features import (
    POSITION,
    ListPlaceFeatures,
    ListValueFeatures,
)
from graphrec.ranking.features.name_features import NameFeatures, NamesOfItems
from graphrec.ranking.features.popularity_features import AgeFeatures, PopularityFeatures
from graphrec.ranking.features.scratch import Scratch
from graphrec.ranking.features.settings import FeatureSettings
from graphrec.ranking.features.step_features import StepFeatures
from graphrec.ranking.features.stream_features import PairStreamFeatures, Rate, RateFeatures
from graphrec.ranking.features.streams import PendingStreams, refuse_unknown_rows
from graphrec.ranking.features.value_features import ValueFeatures
from graphrec.ranking.features.visitor_features import (
    ArrivalFeatures,
    NewcomerFeatures,
    VisitorFeatures,
)
from graphrec.stages import Candidates, DescribedItems, Interactions, LearnsItems, Queries

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class FeatureInputs:
    """What features are made of beside the events.

    Attributes:
        source_names: Candidate sources whose scores and places are read.
        names: Names of items by kind, such as `publisher` and `keyword`.
        published_s: When each item was published, UTC seconds, `NEVER_S` where its first event is
            to tell; None: no item has an age.
        streams: Other events by name, such as likes or what was shown; each becomes known strictly
            before the moment of a question.
        rates: Rates between streams, by item.
        publisher_rates: The same by publisher, where names of the kind `publisher` are known.
        values: Streams whose weights are values, such as ratings.
        numbers: Columns of items by name, known from publication on; NaN is missing.
        fits: Properties that users and items share, by name.
        given: Names of columns that come with a list as it was shown; `position` is the 0-based
            place in it.
    """

    source_names: tuple[str, ...] = ()
    names: Mapping[str, NamesOfItems] = field(default_factory=dict)
    published_s: Int64[np.ndarray, " items"] | None = None
    streams: Mapping[str, Interactions] = field(default_factory=dict)
    rates: tuple[Rate, ...] = ()
    publisher_rates: tuple[Rate, ...] = ()
    values: tuple[str, ...] = ()
    numbers: Mapping[str, Float32[np.ndarray, " items"]] = field(default_factory=dict)
    fits: Mapping[str, Fit] = field(default_factory=dict)
    given: tuple[str, ...] = ()


class FeatureBuilder:
    """Builds the features of candidates from what it has absorbed, and nothing else.

    Several threads may build at once while nobody absorbs and streams are told up to their time.
    """

    def __init__(
        self, inputs: FeatureInputs | None = None, settings: FeatureSettings | None = None
    ) -> None:
        """Know what features there are; see `FeatureInputs`.

        Raises:
            DataError: A stream is not sorted, a rate or values name a stream that is not there, or
                two columns have one name.
        """
        self._inputs = inputs or FeatureInputs()
        self._families = _families(self._inputs, settings or FeatureSettings())
        self._streams = PendingStreams(self._inputs.streams)
        _refuse_unknown_streams(self._inputs)
        self.features: tuple[Feature, ...] = tuple(
            feature for family in self._families for feature in family.features
        )
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise DataError(f"two columns are called {', '.join(twice)} — name inputs differently")
        self._n_items = 0
        self._told_until_s = np.iinfo(np.int64).min
        self._slots = Scratch(np.int32(NO_ROW))

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams that are read."""
        return self._streams.names

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
        self.tell_streams(cut_s)

    def absorb(self, events: Interactions) -> None:
        """Learn from events as they arrive, in any order; user -1 is nobody.

        Raises:
            DataError: A row is outside what the events declare.
        """
        refuse_unknown_rows(events, EVENTS)
        self._n_items = max(self._n_items, events.n_items)
        for family in self._families:
            family.absorb(EVENTS, events)

    def learn_items(self, items: DescribedItems) -> None:
        """Replace what is known of items, as far as features read it.

        What was counted for a publisher stays with it, whoever bears its name now.
        """
        for family in self._families:
            if isinstance(family, LearnsItems):
                family.learn_items(items)

    def absorb_stream(self, name: str, events: Interactions) -> None:
        """Let events of another stream be known to questions of a later second.

        Raises:
            DataError: There is no such stream, or a row is outside what the events declare.
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
            DataError: A candidate or a past item has no row, or shapes do not fit together.
            LeakageError: A query is no later than an event of a stream that an earlier query told.
        """
        candidates = replace(candidates, item_row=np.ascontiguousarray(candidates.item_row))
        self._check(queries, candidates, given or {})
        table = np.full((*candidates.item_row.shape, len(self.features)), np.nan, dtype=np.float32)
        if not candidates.item_row.size:
            return table
        self.tell_streams(int(queries.time_s.min()))
        slot = self._slots.take(self._n_items)
        asked = Asked(queries, candidates, slot, dict(given or {}))
        at = 0
        for family in self._families:
            family.fill(asked, at, table)
            at += len(family.features)
        self._slots.give(slot)
        return table

    def tell_streams(self, time_s: int) -> None:
        """Let what the streams hold before `time_s` (UTC seconds) be known, as a question does.

        Questions of up to that time change nothing afterwards, so that several threads may ask.

        Raises:
            LeakageError: Something later was told already.
        """
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

    def _check(
        self,
        queries: Queries,
        candidates: Candidates,
        given: Mapping[str, Float32[np.ndarray, "users k"]],
    ) -> None:
        shape = candidates.item_row.shape
        if shape[0] != len(queries):
            raise DataError(f"{shape[0]} lists for {len(queries)} queries — one each")
        for name, column in given.items():
            if column.shape != shape:
                raise DataError(f"given column {name} of shape {column.shape} — {shape} is asked")
        for what, rows, lowest in (
            ("candidate", candidates.item_row, NO_ROW),
            ("past", queries.history_item, 0),
        ):
            if rows.size and (rows.min() < lowest or rows.max() >= self._n_items):
                wrong = int(rows.min() if rows.min() < lowest else rows.max())
                raise DataError(
                    f"features of {what} item row {wrong} — rows 0 to {self._n_items - 1} are "
                    "known, and new ones by absorb"
                )


def _families(inputs: FeatureInputs, settings: FeatureSettings) -> tuple[FeatureFamily, ...]:
    families: list[FeatureFamily] = [
        EvidenceFeatures(inputs.source_names),
        PairHistoryFeatures(),
        ContextFeatures(),
        PopularityFeatures("item", _seconds(settings.popularity_hours)),
        ArrivalFeatures(_seconds(settings.arrival_hours)),
        NewcomerFeatures(_seconds(settings.newcomer_hours)),
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
    families += [ValueFeatures(name, inputs.names, settings.value_prior) for name in inputs.values]
    if inputs.given:
        families.append(GivenFeatures(inputs.given))
        values = tuple(name for name in inputs.given if name != POSITION)
        if values:
            families.append(ListValueFeatures(values))
    if POSITION in inputs.given:
        families.append(ListPlaceFeatures())
    return tuple(families)


def _refuse_unknown_streams(inputs: FeatureInputs) -> None:
    if EVENTS in inputs.streams:
        raise DataError(f"a stream is called {EVENTS!r} — the main one is, name it differently")
    for rate in inputs.rates:
        for stream in (rate.numerator, rate.denominator):
            if stream != EVENTS and stream not in inputs.streams:
                raise DataError(
                    f"rate {rate.name} of stream {stream!r} — there are "
                    f"{', '.join((EVENTS, *inputs.streams))}"
                )
    for stream in inputs.values:
        if stream != EVENTS and stream not in inputs.streams:
            raise DataError(
                f"values of stream {stream!r} — there are {', '.join((EVENTS, *inputs.streams))}"
            )


def _seconds(hours: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(HOUR_S * value for value in hours)
