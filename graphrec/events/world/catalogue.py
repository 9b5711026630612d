"""What there is to watch: niches, publishers, series, items and their keywords."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64, Shaped

from graphrec.arrays import DAY_S, NO_ROW
from graphrec.events.world.draws import Draws, pick, pick_within
from graphrec.events.world.settings import Sizes, WorldSettings
from graphrec.events.world.words import TOPICS
from graphrec.kernels.world_response import ITEM

_PUBLISHER_NICHES = 3


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics and the niches inside them.

    Attributes:
        of_niche: Topic of each niche; niches of one topic lie together.
        cumulative: Running sum of the niches' weights with a leading 0.
        first: Topic t has the niches `[first[t], first[t + 1])`.
    """

    of_niche: Int32[np.ndarray, " niches"]
    cumulative: Float64[np.ndarray, " niches+1"]
    first: Int64[np.ndarray, " topic_bounds"]

    def niche_like(
        self, niche: Int64[np.ndarray, " n"], x: Float64[np.ndarray, " n"]
    ) -> Int64[np.ndarray, " n"]:
        """A niche of the same topic, drawn by weight with `x` in (0, 1)."""
        topic = self.of_niche[niche]
        return pick_within(self.cumulative, self.first[topic], self.first[topic + 1], x)


@dataclass(frozen=True, slots=True)
class Keywords:
    """Keywords of niches and of items; the first ones are the topics' names.

    Attributes:
        topic: Topic of each keyword.
        niche_ptr: Niche n may use `niche_keyword[niche_ptr[n]:niche_ptr[n + 1]]`.
        niche_keyword: Keyword rows, the most used first.
        item_row: Item of each use of a keyword, increasing.
        keyword_row: The keyword used.
    """

    topic: Int64[np.ndarray, " keywords"]
    niche_ptr: Int64[np.ndarray, " niche_bounds"]
    niche_keyword: Int32[np.ndarray, " uses_by_niche"]
    item_row: Int32[np.ndarray, " uses"]
    keyword_row: Int32[np.ndarray, " uses"]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All items, by time of publication.

    Attributes:
        topics: Topics and niches.
        items: Records of `ITEM`.
        keywords: The words on them.
        series: Series of each item, -1 where there is none.
        episode: Episode from 1, 0 where there is none.
        title_draw: Number that decides the title, of the item or of its series.
        flagged: Whether the platform's own check marks the item; it errs both ways.
        publisher_quality: Quality of each publisher, z-score.
    """

    topics: Topics
    items: Shaped[np.ndarray, " items"]
    keywords: Keywords
    series: Int64[np.ndarray, " items"]
    episode: Int64[np.ndarray, " items"]
    title_draw: Int64[np.ndarray, " items"]
    flagged: Bool[np.ndarray, " items"]
    publisher_quality: Float64[np.ndarray, " publishers"]


def make_topics(sizes: Sizes, seed: int) -> Topics:
    """Split the topics into niches of unequal weight."""
    rank = np.arange(sizes.topics)
    weight = np.exp(0.35 * Draws(seed, "topic weight").normal(sizes.topics))
    share = weight / weight.sum() * (sizes.niches - sizes.topics)
    count = 1 + share.astype(np.int64)
    # The rest goes to the topics whose share was cut most, ties to the first.
    rest = sizes.niches - count.sum()
    count[np.argsort(-(share - np.floor(share)), kind="stable")[:rest]] += 1
    topic = np.repeat(rank, count).astype(np.int32)
    first = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    place = np.arange(sizes.niches) - first[topic]
    niche_weight = (weight / weight.sum())[topic] * (place + 1.0) ** -0.7
    return Topics(topic, np.concatenate([[0.0], np.cumsum(niche_weight)]), first)


def make_catalogue(settings: WorldSettings, sizes: Sizes) -> Catalogue:
    """Draw every item of the world.

    Args:
        settings: The world.
        sizes: Its sizes.
    """
    seed = settings.seed
    topics = make_topics(sizes, seed)
    publisher, niche, publisher_quality = _share_out(topics, sizes, seed)
    series, episode, lead = _form_series(settings, topics, publisher, niche)
    # Episodes are alike: what a series is drawn by is its first item, `lead`.
    niche = niche[lead]
    draws = Draws(seed, "item")
    n = sizes.items
    items = np.zeros(n, ITEM)
    items["publisher"], items["niche"] = publisher, niche
    items["published_s"] = _publish(settings, draws, series, episode, lead)
    _stock_shelf(settings, topics, items, lead)
    _judge(items, publisher_quality, draws, lead, episode)
    order = np.argsort(items["published_s"], kind="stable")
    row = np.empty(n, np.int32)
    row[order] = np.arange(n)
    items["next_item"], items["previous_item"] = NO_ROW, NO_ROW
    goes_on = np.flatnonzero((series[:-1] >= 0) & (series[:-1] == series[1:]))
    items["next_item"][goes_on] = row[goes_on + 1]
    items["previous_item"][goes_on + 1] = row[goes_on]
    # Field by field, because a copy of whole records leaves their padding to chance.
    shelf = np.zeros(n, ITEM)
    for name in ITEM.names or ():
        shelf[name] = items[name][order]
    flagged = draws.uniform(n, 50)[order] < np.where(shelf["bad"], 0.6, 0.004)
    return Catalogue(
        topics,
        shelf,
        make_keywords(topics, sizes, seed, shelf["niche"], shelf["second_niche"]),
        series[order],
        episode[order],
        draws.whole(2**40, lead, 90)[order],
        flagged,
        publisher_quality,
    )


def _share_out(
    topics: Topics, sizes: Sizes, seed: int
) -> tuple[
    Int64[np.ndarray, " items"], Int64[np.ndarray, " items"], Float64[np.ndarray, " publishers"]
]:
    """Publisher and niche of each item, and each publisher's quality; every publisher has one."""
    draws = Draws(seed, "publisher")
    size = draws.uniform(sizes.publishers, 0) ** (-1 / 1.2)
    share = np.minimum(size, 200.0)
    spare = sizes.items - sizes.publishers
    extra = pick(np.cumsum(share), (np.arange(spare) + 0.5) / max(spare, 1))
    count = 1 + np.bincount(extra, minlength=sizes.publishers)
    publisher = np.repeat(np.arange(sizes.publishers), count).astype(np.int64)
    # By size along a golden-ratio sequence: the largest publishers are spread over the topics.
    by_size = np.argsort(np.argsort(-count, kind="stable"), kind="stable")
    start = float(draws.uniform(1, 1)[0])
    first = pick(topics.cumulative[1:], (start + by_size * 0.6180339887498949) % 1.0)
    niches = [first]
    for which in range(1, _PUBLISHER_NICHES):
        stays = draws.uniform(sizes.publishers, 2 * which) < 0.8
        other = topics.niche_like(first, draws.uniform(sizes.publishers, 2 * which + 1))
        far = pick(topics.cumulative[1:], draws.uniform(sizes.publishers, 20 + which))
        niches.append(np.where(stays, other, far))
    chosen = np.minimum(
        draws.uniform(sizes.items, 30) ** 2 * _PUBLISHER_NICHES, _PUBLISHER_NICHES - 1
    ).astype(np.int64)
    niche = np.stack(niches)[chosen, publisher]
    return publisher, niche, draws.normal(sizes.publishers, 40)


def _form_series(
    settings: WorldSettings,
    topics: Topics,
    publisher: Int64[np.ndarray, " items"],
    niche: Int64[np.ndarray, " items"],
) -> tuple[Int64[np.ndarray, " items"], Int64[np.ndarray, " items"], Int64[np.ndarray, " items"]]:
    """Series, episode and leading item of each item, runs of one publisher's items at a time."""
    n = len(publisher)
    draws = Draws(settings.seed, "series")
    starts = np.flatnonzero(np.diff(publisher, prepend=-1))
    place = np.arange(n) - np.repeat(starts, np.diff(np.append(starts, n)))
    length = 3 + draws.whole(8, publisher, 0)
    lead = np.arange(n) - place % length
    full = np.bincount(lead, minlength=n)[lead] >= 3
    proneness = np.array([words.series for words in TOPICS.values()])
    chance = settings.series * proneness[topics.of_niche[niche[lead]]]
    is_series = full & (draws.uniform(lead, 1) < chance)
    lead = np.where(is_series, lead, np.arange(n))
    heads = np.unique(lead[is_series])
    series = np.where(is_series, np.searchsorted(heads, lead), NO_ROW)
    return series, np.where(is_series, np.arange(n) - lead + 1, 0), lead


def _publish(
    settings: WorldSettings,
    draws: Draws,
    series: Int64[np.ndarray, " items"],
    episode: Int64[np.ndarray, " items"],
    lead: Int64[np.ndarray, " items"],
) -> Int64[np.ndarray, " items"]:
    """When each item is published: a year of back catalogue, then steadily through the period."""
    period_s = settings.days * DAY_S
    back = draws.uniform(lead, 1) < settings.items_at_start
    x = draws.uniform(lead, 2)
    start = np.where(back, -(x**2) * 365 * DAY_S, x * period_s)
    length = np.bincount(series[series >= 0], minlength=1)[np.maximum(series, 0)]
    wanted_gap = np.array([0.01, 1, 1, 3.5, 7, 7])[draws.whole(6, lead, 3)] * DAY_S
    room = np.where(start < 0, -start + period_s, period_s - start)
    gap = np.minimum(wanted_gap, 0.95 * room / np.maximum(length, 1))
    offset = np.floor(start + np.where(episode > 0, (episode - 1) * gap, 0.0))
    since: Int64[np.ndarray, " items"] = np.minimum(offset, period_s - 1).astype(np.int64)
    return settings.start_s + since


def _stock_shelf(
    settings: WorldSettings,
    topics: Topics,
    items: Shaped[np.ndarray, " items"],
    lead: Int64[np.ndarray, " items"],
) -> None:
    """Fill in what an item is about and what it is like to come across."""
    n = len(items)
    draws = Draws(settings.seed, "shelf")
    niche = items["niche"].astype(np.int64)
    topic = topics.of_niche[niche]
    has_second = draws.uniform(lead, 0) < 0.35
    near = draws.uniform(lead, 1) < 0.6
    alike = topics.niche_like(niche, draws.uniform(lead, 2))
    far = pick(topics.cumulative[1:], draws.uniform(lead, 3))
    items["topic"] = topic
    items["second_niche"] = np.where(has_second, np.where(near, alike, far), NO_ROW)
    words = list(TOPICS.values())
    items["freshness_days"] = np.array([w.freshness_days for w in words])[topic]
    items["rewatch"] = np.array([w.rewatch for w in words])[topic]
    minutes = np.array([w.minutes for w in words])[topic]
    duration_s = 60 * minutes * np.exp(0.35 * draws.normal(lead, 4) + 0.1 * draws.normal(n, 5))
    items["duration_s"] = np.clip(duration_s, 30, 4 * 3600)
    publisher = items["publisher"].astype(np.int64)
    items["language"] = np.searchsorted([0.62, 0.78, 0.9], draws.uniform(publisher, 6))
    # A tenth of the publishers make half of the clickbait and of the bad content.
    factor = np.where(draws.uniform(publisher, 7) < 0.1, 5.0, 0.5 / 0.9)
    items["clickbait"] = draws.uniform(n, 8) < settings.clickbait * factor
    items["bad"] = draws.uniform(n, 9) < settings.bad_content * factor


def _judge(
    items: Shaped[np.ndarray, " items"],
    publisher_quality: Float64[np.ndarray, " publishers"],
    draws: Draws,
    lead: Int64[np.ndarray, " items"],
    episode: Int64[np.ndarray, " items"],
) -> None:
    """Fill in quality and appeal, about z-scores; clickbait has much of one only."""
    n = len(lead)
    clickbait, bad = items["clickbait"], items["bad"]
    quality = 0.6 * publisher_quality[items["publisher"]] + 0.7 * draws.normal(lead, 10)
    quality += 0.35 * draws.normal(n, 11)
    appeal = 0.4 * quality + 0.9 * draws.normal(lead, 12) + 0.45 * draws.normal(n, 13)
    appeal += 0.8 * clickbait + 0.1 * bad - 0.05 * np.maximum(episode - 1, 0)
    quality -= 1.6 * clickbait + 0.8 * bad
    items["quality"], items["appeal"] = quality, appeal


def make_keywords(
    topics: Topics,
    sizes: Sizes,
    seed: int,
    niche: Int32[np.ndarray, " items"],
    second: Int32[np.ndarray, " items"],
) -> Keywords:
    """Give niches their keywords and items theirs; every keyword stands on some item.

    Args:
        topics: Topics and niches.
        sizes: How many keywords there are.
        seed: Seed of the world.
        niche: Niche of each item.
        second: Second niche of each item, -1 where there is none.
    """
    draws = Draws(seed, "keyword")
    used = np.unique(niche)
    owner = used[np.arange(sizes.keywords - sizes.topics) % len(used)]
    own = np.argsort(owner, kind="stable") + sizes.topics
    count = np.bincount(owner, minlength=sizes.niches)
    ptr = np.concatenate([[0], np.cumsum(count + 1)]).astype(np.int64)
    by_niche = np.empty(ptr[-1], np.int32)
    is_topic = np.zeros(ptr[-1], bool)
    # The topic's own name is the last choice of a search, and the widest.
    is_topic[ptr[1:] - 1] = True
    by_niche[is_topic] = topics.of_niche
    by_niche[~is_topic] = own
    n = len(niche)
    items = np.arange(n, dtype=np.int64)
    uses = [np.stack([items, topics.of_niche[niche]])[:, draws.uniform(n, 0) < 0.6]]
    n_words = 1 + draws.whole(4, n, 1)
    for word in range(4):
        source = np.where((word == 3) & (second >= 0), second, niche)
        x = draws.uniform(n, 2 + word) ** 2
        place = np.minimum((x * count[source]).astype(np.int64), count[source] - 1)
        keep = (n_words > word) & (count[source] > 0)
        uses.append(np.stack([items, by_niche[ptr[source] + np.maximum(place, 0)]])[:, keep])
    flat = np.concatenate(uses, axis=1)
    missing = np.setdiff1d(np.arange(sizes.keywords), flat[1])
    uses.append(_place_missing(missing, owner, niche, sizes.topics))
    flat = np.unique(np.concatenate([flat, uses[-1]], axis=1), axis=1)
    topic = np.concatenate([np.arange(sizes.topics), topics.of_niche[owner]])
    return Keywords(
        topic.astype(np.int64), ptr, by_niche, flat[0].astype(np.int32), flat[1].astype(np.int32)
    )


def _place_missing(
    missing: Int64[np.ndarray, " missing"],
    owner: Int32[np.ndarray, " own"],
    niche: Int32[np.ndarray, " items"],
    n_topics: int,
) -> Int64[np.ndarray, "two missing"]:
    """Put each unused keyword on an item of its niche, spread over them."""
    by_niche = np.argsort(niche, kind="stable")
    is_own = missing >= n_topics
    wanted = np.where(is_own, owner[np.maximum(missing - n_topics, 0)], niche[0])
    lo = np.searchsorted(niche[by_niche], wanted, side="left")
    hi = np.searchsorted(niche[by_niche], wanted, side="right")
    return np.stack([by_niche[lo + missing % (hi - lo)], missing])
