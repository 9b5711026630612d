"""Who watches: users, their features, and the interests that drive them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int8, Int32, Int64, Shaped

from graphrec.arrays import DAY_S, NO_ROW
from graphrec.events.world.catalogue import Catalogue
from graphrec.events.world.draws import Draws, pick, pick_within
from graphrec.events.world.settings import Sizes, WorldSettings
from graphrec.events.world.words import AGE_BANDS, LANGUAGES, REGIONS
from graphrec.kernels.world_response import N_FOLLOWED, N_INTERESTS, USER

NEVER_S = 2**62
_MOST_ACTIVE = 100.0


@dataclass(frozen=True, slots=True)
class People:
    """All users, by time of sign-up.

    Attributes:
        records: What they like: records of `USER`.
        signup_s: When each signed up, UTC seconds.
        age_band: Index into `AGE_BANDS`.
        region: Index into `REGIONS`.
        peak_s: Second of the day, UTC, around which each watches most.
    """

    records: Shaped[np.ndarray, " users"]
    signup_s: Int64[np.ndarray, " users"]
    age_band: Int64[np.ndarray, " users"]
    region: Int64[np.ndarray, " users"]
    peak_s: Int64[np.ndarray, " users"]


def make_people(settings: WorldSettings, sizes: Sizes, catalogue: Catalogue) -> People:
    """Draw every user of the world.

    Args:
        settings: The world.
        sizes: Its sizes.
        catalogue: What there is to like and to follow.
    """
    n = sizes.users
    draws = Draws(settings.seed, "user")
    x = draws.uniform(n, 0)
    early = draws.uniform(n, 1) < settings.users_at_start
    period_s = settings.days * DAY_S
    offset = np.where(early, -x * 365 * DAY_S, x * period_s)
    signup_s = np.sort(settings.start_s + np.floor(offset).astype(np.int64))
    age_band = pick(np.cumsum([0.12, 0.2, 0.26, 0.28, 0.14]), draws.uniform(n, 2))
    region = pick(np.cumsum([0.3, 0.18, 0.18, 0.12, 0.08, 0.14]), draws.uniform(n, 3))
    before, start = _interests(settings, sizes, catalogue, age_band * len(REGIONS) + region)
    after, switch_s, end = _drift(settings, catalogue, before, start)
    records = np.zeros(n, USER)
    records["niche_before"], records["niche_after"] = before, after
    records["weight_start"], records["weight_end"] = start, end
    records["switch_s"] = switch_s
    records["followed"] = _follow(catalogue, before, draws)
    records["language"] = _languages(draws, region)
    activity = draws.uniform(n, 4) ** (-1 / settings.activity_tail)
    records["activity"] = np.minimum(activity, _MOST_ACTIVE)
    records["festive"] = np.minimum(draws.uniform(n, 6) * 2, 1.0)
    records["rates"] = draws.uniform(n, 7) < settings.raters
    evening = draws.uniform(n, 8) < 0.7
    hour = np.where(evening, 20.0, 8.5) + 1.5 * draws.normal(n, 9)
    return People(records, signup_s, age_band, region, (hour * 3600).astype(np.int64) % DAY_S)


def _languages(draws: Draws, region: Int64[np.ndarray, " users"]) -> Int8[np.ndarray, " users"]:
    """Language of each user: most speak the first, each region has its own second."""
    own = 1 + region % (len(LANGUAGES) - 1)
    foreign = draws.uniform(len(region), 5) < 0.35
    return np.where(foreign, own, 0).astype(np.int8)


def _interests(
    settings: WorldSettings,
    sizes: Sizes,
    catalogue: Catalogue,
    cell: Int64[np.ndarray, " users"],
) -> tuple[Int64[np.ndarray, "users slots"], Float64[np.ndarray, "users slots"]]:
    """Niches and first weights; ages and regions lean to different topics."""
    n, topics = len(cell), catalogue.topics
    draws = Draws(settings.seed, "interest")
    n_cells = len(AGE_BANDS) * len(REGIONS)
    grid = np.arange(n_cells)
    lean = np.concatenate([[0.0], np.diff(topics.cumulative[topics.first]).cumsum()])
    weight = np.diff(lean) * np.exp(
        np.stack(
            [
                1.1 * Draws(settings.seed, f"age {t}").normal(grid // len(REGIONS))
                + 0.4 * Draws(settings.seed, f"region {t}").normal(grid % len(REGIONS))
                for t in range(sizes.topics)
            ],
            axis=1,
        )
    )
    flat = np.concatenate([[0.0], np.cumsum(weight)])
    lo, hi = cell * sizes.topics, (cell + 1) * sizes.topics
    users = np.arange(n, dtype=np.int64)
    many = 2 + draws.whole(N_INTERESTS - 1, n, 0)
    count = np.where(draws.uniform(n, 1) < settings.specialised, 1, many)
    niche = np.zeros((n, N_INTERESTS), np.int64)
    start = np.zeros((n, N_INTERESTS))
    for slot in range(N_INTERESTS):
        topic = pick_within(flat, lo, hi, draws.uniform(users, 10 * slot + 10)) - lo
        drawn = pick_within(
            topics.cumulative,
            topics.first[topic],
            topics.first[topic + 1],
            draws.uniform(users, 10 * slot + 11),
        )
        if slot:
            near = topics.niche_like(niche[:, 0], draws.uniform(users, 10 * slot + 12))
            drawn = np.where(draws.uniform(users, 10 * slot + 13) < 0.35, near, drawn)
        niche[:, slot] = drawn
        held = 0.35 + 0.65 * draws.uniform(users, 10 * slot + 14) if slot else np.ones(n)
        start[:, slot] = np.where(slot < count, held, 0.0)
    return niche, start


def _drift(
    settings: WorldSettings,
    catalogue: Catalogue,
    before: Int64[np.ndarray, "users slots"],
    start: Float64[np.ndarray, "users slots"],
) -> tuple[
    Int64[np.ndarray, "users slots"],
    Int64[np.ndarray, "users slots"],
    Float64[np.ndarray, "users slots"],
]:
    """Niche after a switch, when it comes, and the weight at the end of the period."""
    draws = Draws(settings.seed, "drift")
    topics = catalogue.topics
    flat, n = before.ravel(), before.size
    near = topics.niche_like(flat, draws.uniform(n, 0))
    far = pick(topics.cumulative[1:], draws.uniform(n, 1))
    switches = draws.uniform(n, 2) < settings.switching
    after = np.where(switches, np.where(draws.uniform(n, 3) < 0.4, near, far), flat)
    when = settings.start_s + (draws.uniform(n, 4) * settings.days * DAY_S).astype(np.int64)
    switch_s = np.where(switches, when, NEVER_S)
    end = np.where(start.ravel() > 0, 0.25 + 0.75 * draws.uniform(n, 5), 0.0)
    alone = (start > 0).sum(axis=1) == 1
    end = np.where(alone[:, None], start, end.reshape(start.shape))
    return after.reshape(before.shape), switch_s.reshape(before.shape), end


def _follow(
    catalogue: Catalogue, before: Int64[np.ndarray, "users slots"], draws: Draws
) -> Int32[np.ndarray, "users followed"]:
    """Publishers followed, each found on an item of one of the user's niches."""
    n = len(before)
    order = np.argsort(catalogue.items["niche"], kind="stable")
    niche = catalogue.items["niche"][order]
    followed = np.full((n, N_FOLLOWED), NO_ROW, np.int32)
    for which in range(N_FOLLOWED):
        wanted = before[:, which % 2]
        lo = np.searchsorted(niche, wanted, side="left")
        hi = np.searchsorted(niche, wanted, side="right")
        place = lo + (draws.uniform(n, 20 + which) * (hi - lo)).astype(np.int64)
        item = order[np.minimum(place, len(order) - 1)]
        followed[:, which] = np.where(hi > lo, catalogue.items["publisher"][item], NO_ROW)
    return followed
