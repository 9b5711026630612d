"""Random small worlds for features: ties, late events, repeats, nobody's events, newcomers."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.features.name_features import NamesOfItems
from graphrec.ranking.features.settings import FeatureSettings
from graphrec.ranking.features.stream_features import Rate
from graphrec.stages import Candidates, Evidence, Interactions, Queries
from tests.reference import rank_features as slow

START_S = 1_600_000_000
END_S = START_S + 100 * 3600
N_USERS, N_ITEMS = 4, 7
SOURCES = ("walks", "peers", "silent")
STREAMS = ("likes", "shown")
RATES = (Rate("liked", "likes", "events", 0.1), Rate("clicked", "events", "shown", 0.05))
SETTINGS = FeatureSettings(
    newest_visits=4, recent_items=3, affinity_events=5, rate_prior=2.0, step_reach=2
)
# The last item has no row among the names, and one has no name.
PUBLISHERS = [[0], [1], [0], [], [2], [1]]
KEYWORDS = [[0, 1], [1, 2, 3], [], [3], [0, 4], [2]]
# The last item's time of publication is not known, one lies ahead of every query.
PUBLISHED_S = [START_S - 5, START_S, START_S + 7200, END_S + 10**7, 0, END_S]


def names_of(lists, n_names):
    ptr = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return NamesOfItems(ptr, np.array([name for one in lists for name in one], np.int32), n_names)


def interactions(events, n_users=N_USERS, n_items=N_ITEMS):
    columns = list(zip(*events, strict=True)) or [(), (), (), ()]
    return Interactions(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.int32),
        np.array(columns[2], np.int32),
        np.array(columns[3], np.float32),
        n_users,
        n_items,
    )


def events(max_events=40, last_s=END_S - 1):
    """Any order of arrival; few distinct values, so that ties and repeats are common."""
    hours = st.integers(0, 60).map(lambda hour: START_S + 1800 * hour)
    time_s = hours | st.integers(START_S, last_s)
    # The last user and the last item have no event.
    one = st.tuples(
        time_s, st.integers(-1, N_USERS - 2), st.integers(0, N_ITEMS - 2), st.sampled_from([0.5, 1])
    )
    return st.lists(one, max_size=max_events)


@dataclass
class World:
    """Raw lists that a builder and the slow twins are made of."""

    events: list
    streams: dict
    lists: list
    queries: list
    candidates: list

    def builder(self, settings=SETTINGS):
        return FeatureBuilder(self.inputs(), settings)

    def inputs(self):
        return FeatureInputs(
            source_names=SOURCES,
            names={"publisher": names_of(PUBLISHERS, 3), "keyword": names_of(KEYWORDS, 5)},
            published_s=np.array(PUBLISHED_S, np.int64),
            streams={name: interactions(sorted(found)) for name, found in self.streams.items()},
            rates=RATES,
            given=("price", "place"),
        )

    def ready(self):
        """A builder that absorbed all events in their order of arrival."""
        builder = self.builder()
        builder.fit(interactions([]), START_S)
        builder.absorb(interactions(self.events))
        return builder

    def asked(self, which=None):
        which = range(len(self.queries)) if which is None else which
        queries = [self.queries[n] for n in which]
        past = [event for _, _, history in queries for event in history]
        return (
            Queries(
                np.array([user for user, _, _ in queries], np.int32),
                np.array([time_s for _, time_s, _ in queries], np.int64),
                np.cumsum([0, *(len(history) for *_, history in queries)]).astype(np.int64),
                np.array([item for _, item in past], np.int32),
                np.array([time_s for time_s, _ in past], np.int64),
                np.ones(len(past), np.float32),
            ),
            candidates_of([self.candidates[n] for n in which], [self.lists[n] for n in which]),
        )

    def expected(self, query, item):
        user, time_s, history = self.queries[query]
        settings = SETTINGS
        known = {
            name: [event for event in found if event[0] < time_s]
            for name, found in self.streams.items()
        }
        known["events"] = self.events

        def of_item(found):
            return [event for event in found if event[2] == item]

        def scales(prefix, hours, by_day):
            return {prefix + hours_in_words(hour, by_day): 3600 * hour for hour in hours}

        row = slow.evidence(SOURCES, self.lists[query], item)
        row |= slow.pair_history(time_s, history, item) | slow.context(time_s, history)
        fading = scales("popular_", settings.popularity_hours, True)
        row |= slow.counts("item", fading, of_item(self.events), time_s)
        first = of_item(slow.first_visits(self.events))
        row |= slow.counts("arrive", scales("", settings.arrival_hours, False), first, time_s)
        start = of_item(slow.first_starts(self.events))
        row |= slow.counts("newcomer", scales("", settings.newcomer_hours, False), start, time_s)
        row |= slow.visitors(time_s, user, of_item(self.events), settings.newest_visits)
        steps = slow.all_steps(self.events, settings.step_reach, settings.step_discount)
        half_life_s, n_recent = 3600 * settings.step_hours, settings.recent_items
        row |= slow.steps_to(time_s, history, item, steps, half_life_s, n_recent)
        row |= slow.age(time_s, PUBLISHED_S[item] if item < len(PUBLISHED_S) else None)
        for kind, names in (("publisher", PUBLISHERS), ("keyword", KEYWORDS)):
            row |= slow.names(kind, history, item, names, settings.affinity_events)
        if item < len(PUBLISHERS) and PUBLISHERS[item]:
            siblings = {n for n, names in enumerate(PUBLISHERS) if names == PUBLISHERS[item]}
            found = [event for event in self.events if event[2] in siblings]
            fading = scales("popular_", settings.group_hours, True)
            row |= slow.counts("publisher", fading, found, time_s)
        for rate in RATES:
            row[f"rate.{rate.name}"] = slow.rate(
                time_s,
                of_item(known[rate.numerator]),
                of_item(known[rate.denominator]),
                3600 * settings.rate_hours,
                rate.prior,
                settings.rate_prior,
            )
        for name in STREAMS:
            row |= slow.pair_stream(name, time_s, user, of_item(known[name]))
        return row


def hours_in_words(hours, by_day):
    return f"{hours / 24:g}d" if by_day and hours >= 24 else f"{hours:g}h"


def candidates_of(rows, lists):
    k = max(map(len, rows), default=0)
    item = np.array([[*row, *[-1] * (k - len(row))] for row in rows], np.int32).reshape(
        len(rows), k
    )
    names = ("peers", "other", "walks")
    score = np.full((*item.shape, len(names)), np.nan, np.float32)
    place = np.full((*item.shape, len(names)), -1, np.int32)
    for q, row in enumerate(rows):
        for c, one in enumerate(row):
            for s, name in enumerate(names):
                if one in lists[q].get(name, {}):
                    score[q, c, s], place[q, c, s] = lists[q][name][one]
    return Candidates(
        item,
        np.where(item < 0, -np.inf, 0).astype(np.float32),
        np.where(item < 0, -1, 0).astype(np.int8),
        names,
        np.full(item.shape, -1, np.int32),
        np.zeros(item.shape, np.float32),
        Evidence(score, place),
    )


@st.composite
def worlds(draw, same_time=False):
    """Queries at or after every event of the main stream; streams run on past them."""
    n_queries = draw(st.integers(1, 3))
    first_s = draw(st.sampled_from([END_S, END_S + 1, END_S + 90_000]))
    items = st.integers(0, N_ITEMS - 1)
    lists, queries, candidates = [], [], []
    for n in range(n_queries):
        time_s = first_s if same_time or n == 0 else first_s + draw(st.integers(0, 200_000))
        back_s = draw(st.lists(st.integers(0, 4).map(lambda h: 1500 * h**3), max_size=24))
        past_s = time_s - 1 - np.cumsum([0, *back_s])[1:]
        repeats = st.integers(0, 2) | items
        history = [(int(t), draw(repeats)) for t in past_s]
        queries.append((draw(st.integers(-1, N_USERS - 1)), time_s, history))
        row = draw(st.lists(items, max_size=6, unique=True))
        candidates.append(row)
        scores = st.sampled_from([-1.5, 0.25, 2.0])
        lists.append(
            {
                name: {
                    item: (draw(scores), place)
                    for place, item in enumerate(row)
                    if draw(st.booleans())
                }
                for name in ("walks", "peers")
            }
        )
    gap_free = first_s + 3600 if same_time else first_s
    streams = {}
    for name in STREAMS:
        found = draw(events(20))
        # Streams run on past the first query, but lie outside a batch of several times.
        late = [(gap_free + 300_000, *event[1:]) for event in found[:3]]
        at_query = [(first_s, *event[1:]) for event in found[3:5]] if same_time else []
        streams[name] = [*found, *late, *at_query]
    return World(draw(events()), streams, lists, queries, candidates)


def table_of(world, builder, which=None):
    queries, candidates = world.asked(which)
    return builder.build(queries, candidates)
