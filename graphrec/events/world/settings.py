"""What a simulated world is made of: sizes, behaviour, the platform's policy, contexts."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from graphrec.errors import SettingsError
from graphrec.events.world.words import TOPICS

Share = Annotated[float, Field(ge=0, le=1)]
Strength = Annotated[float, Field(ge=0, le=10)]
Effect = Annotated[float, Field(ge=-10, le=10)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ContextSettings(_Settings):
    """A time that changes what people want, such as a festival."""

    name: str = Field(min_length=1, description="What it is called: its id in the log.")
    topic: str = Field(description="The topic it lifts; the world keeps that topic.")
    first_day: Share = Field(description="When it first starts, as a share of the period.")
    length_days: float = Field(gt=0, le=366, description="How long it lasts, days.")
    every_days: float | None = Field(
        None, gt=0, le=366, description="It comes again after so many days; null: once."
    )
    boost: Strength = Field(1.5, description="Added to the log-odds of a click on its topic.")

    @model_validator(mode="after")
    def _check(self) -> "ContextSettings":
        if self.topic not in TOPICS:
            raise ValueError(f"unknown topic {self.topic!r} — choose one of {', '.join(TOPICS)}")
        if self.every_days is not None and self.every_days <= self.length_days:
            raise ValueError(
                f"every_days {self.every_days:g} — must exceed length_days {self.length_days:g}"
            )
        return self


class BehaviourSettings(_Settings):
    """How users answer items and come back. Effects are added to log-odds unless said otherwise."""

    kinship: Share = Field(0.3, description="Affinity to an item of the same topic, other niche.")
    click_base: Effect = Field(-3.0, description="Log-odds of a click with nothing in its favour.")
    click_interest: Strength = Field(3.4, description="Times the affinity in [0, 1].")
    click_appeal: Strength = Field(1.1, description="Times the item's appeal (z-score).")
    click_fresh: Strength = Field(1.3, description="Of a new item; fades by its niche's days.")
    click_language: Effect = Field(-2.0, description="Of an item in another language.")
    click_followed: Strength = Field(0.7, description="Of a followed publisher.")
    click_next: Strength = Field(1.5, description="Of the episode after a watched one.")
    click_out_of_order: Effect = Field(-2.5, description="Of a later episode without the former.")
    click_seen: Effect = Field(-5.0, description="Of a watched item, times 1 - its rewatch share.")
    position_bias: Annotated[float, Field(ge=0, le=3)] = Field(
        0.7, description="Place p is looked at with probability p ** -position_bias."
    )
    satisfied_base: Effect = Field(-0.9, description="Log-odds of a satisfied watch.")
    satisfied_interest: Strength = Field(2.2, description="Times the affinity in [0, 1].")
    satisfied_quality: Strength = Field(1.2, description="Times the item's quality (z-score).")
    satisfied_language: Effect = Field(-1.5, description="Of an item in another language.")
    like_satisfied: Share = Field(0.07, description="Probability of a like, satisfied.")
    rate_watch: Share = Field(0.12, description="Probability that a rater rates a watch.")
    report_bad: Share = Field(0.12, description="Probability of reporting bad content.")
    report_clickbait: Share = Field(0.015, description="Probability of reporting clickbait.")
    report_other: Share = Field(0.0005, description="Probability of reporting anything else.")
    continue_base: Effect = Field(0.9, description="Log-odds of going on with a session.")
    continue_satisfied: Strength = Field(1.2, description="The same, after a satisfied watch.")
    autoplay: Share = Field(0.65, description="Probability of going on to the next episode.")
    search: Share = Field(0.07, description="Probability of searching next.")
    search_after_empty: Share = Field(0.16, description="The same, after an empty-handed page.")
    rewatch: Share = Field(0.06, description="Probability of looking for something known.")
    follow: Share = Field(0.12, description="Probability of looking at a followed publisher.")
    goodwill_up: Share = Field(0.05, description="Goodwill gained by a satisfied watch.")
    goodwill_down: Share = Field(0.06, description="Goodwill lost by an unsatisfied watch.")
    goodwill_bait: Share = Field(0.15, description="The same, by clickbait or bad content.")
    goodwill_keep: Share = Field(0.96, description="Goodwill kept from one day to the next.")
    return_goodwill: Strength = Field(0.8, description="Sessions a day times exp(this x goodwill).")
    leave: Share = Field(0.004, description="Probability that a session is the last.")
    leave_goodwill: Strength = Field(2.0, description="The same, times exp(-this x goodwill).")
    max_sessions: Annotated[float, Field(ge=0.1, le=12)] = Field(
        6.0, description="Most expected sessions of a user a day."
    )

    @model_validator(mode="after")
    def _check(self) -> "BehaviourSettings":
        total = max(self.search, self.search_after_empty) + self.rewatch + self.follow
        if total > 1:
            raise ValueError(f"search + rewatch + follow = {total:g} — at most 1")
        return self


class PolicySettings(_Settings):
    """What the platform shows: the mixture every place of a page is drawn from."""

    near: Share = Field(0.4, description="Share from the niches of the last watched items.")
    next: Share = Field(0.08, description="Share of next episodes of the last watched items.")
    fresh: Share = Field(0.14, description="Share of items of the last `fresh_days`, evenly.")
    explore: Share = Field(0.06, description="Share of all published items, evenly.")
    slate_size: int = Field(10, ge=1, le=20, description="Places of a page.")
    fresh_days: float = Field(5.0, gt=0, le=90, description="Age of a fresh item at most, days.")
    half_life_days: float = Field(
        7.0, gt=0, le=3650, description="Half-life of a watch in the popularity count, days."
    )
    rich_get_richer: Annotated[float, Field(ge=0, le=1.5)] = Field(
        1.0, description="Popularity is (1 + decayed watches) to this power."
    )

    @property
    def popular(self) -> float:
        """Share drawn by popularity: what the other sources leave."""
        return 1.0 - self.near - self.next - self.fresh - self.explore

    @model_validator(mode="after")
    def _check(self) -> "PolicySettings":
        if self.popular < 0 or self.popular + self.explore <= 0:
            raise ValueError(
                f"near + next + fresh + explore = {1 - self.popular:g} — at most 1, and popular "
                "or explore must be left some share"
            )
        return self


DEFAULT_CONTEXTS = (
    ContextSettings(
        name="midwinter festival",
        topic="festival",
        first_day=0.6,
        length_days=18,
        every_days=None,
        boost=3.5,
    ),
    ContextSettings(
        name="cup weekend", topic="football", first_day=0.04, length_days=2, every_days=14, boost=2
    ),
)


class WorldSettings(_Settings):
    """A world to simulate. Sizes left null follow from `n_events`."""

    name: str = Field("world", min_length=1, description="Name of the data set.")
    seed: int = Field(1, ge=0, lt=2**63, description="Equal seeds give equal worlds.")
    n_events: int = Field(100_000, ge=1_000, le=20_000_000, description="Events in the log.")
    n_users: int | None = Field(None, ge=10, le=5_000_000, description="Users.")
    n_items: int | None = Field(None, ge=20, le=2_000_000, description="Items.")
    n_publishers: int | None = Field(None, ge=2, le=500_000, description="Publishers.")
    n_keywords: int | None = Field(None, ge=30, le=500_000, description="Keywords.")
    n_topics: int | None = Field(None, ge=4, le=len(TOPICS), description="Topics.")
    n_niches: int | None = Field(None, ge=8, le=100_000, description="Niches, inside topics.")
    start_s: int = Field(
        1_725_235_200, ge=0, le=2**40, description="First midnight, UTC seconds; a Monday."
    )
    days: int = Field(120, ge=7, le=1000, description="Length of the period, days.")
    growth: Annotated[float, Field(ge=-0.9, le=10)] = Field(
        0.3, description="Growth of the events a day from first to last day, share."
    )
    users_at_start: Share = Field(0.55, description="Share of users signed up before the start.")
    items_at_start: Share = Field(0.42, description="Share of items published before the start.")
    specialised: Share = Field(0.25, description="Share of users with a single interest.")
    switching: Share = Field(0.25, description="Share of interests that become another one.")
    activity_tail: Annotated[float, Field(gt=0.5, le=10)] = Field(
        1.3, description="Exponent of the power law of users' activity; less is heavier."
    )
    series: Share = Field(0.35, description="Share of runs of items that form a series.")
    clickbait: Share = Field(0.06, description="Share of items with much appeal, little quality.")
    bad_content: Share = Field(0.02, description="Share of items that break the rules.")
    raters: Share = Field(0.3, description="Share of users who rate.")
    skip_events: bool = Field(
        False, description="Write places passed over above the last click as `skip` events."
    )
    contexts: tuple[ContextSettings, ...] = Field(
        DEFAULT_CONTEXTS, max_length=50, description="Festivals and the like."
    )
    behaviour: BehaviourSettings = Field(BehaviourSettings(), description="Users' behaviour.")
    policy: PolicySettings = Field(PolicySettings(), description="What the platform shows.")

    @model_validator(mode="after")
    def _check(self) -> "WorldSettings":
        if self.start_s % 86_400:
            raise ValueError(f"start_s {self.start_s} — must be a midnight, a multiple of 86400")
        names = [context.name for context in self.contexts]
        if len(set(names)) < len(names):
            raise ValueError(f"contexts {', '.join(names)} — every name must differ")
        return self


class Sizes(_Settings):
    """How many of each there are: given or derived, and checked against each other."""

    users: int
    items: int
    publishers: int
    keywords: int
    topics: int
    niches: int


def derive_sizes(settings: WorldSettings) -> Sizes:
    """Fill in the sizes that `settings` leaves open.

    Raises:
        SettingsError: Two sizes do not fit together.
    """
    n = settings.n_events
    items = settings.n_items or max(25, round(min(n / 40, 2.2 * n**0.6)))
    niches = settings.n_niches or min(max(8, items // 30), items)
    topics = settings.n_topics or min(len(TOPICS), max(4, niches // 3))
    sizes = Sizes(
        users=settings.n_users or max(20, n // 33),
        items=items,
        publishers=settings.n_publishers or max(2, items // 12),
        keywords=settings.n_keywords or max(30, topics + niches, items // 4),
        topics=topics,
        niches=niches,
    )
    rules = (
        ("n_topics", sizes.topics, sizes.niches, "at most the niches"),
        ("n_niches", sizes.niches, sizes.items, "at most the items"),
        ("n_publishers", sizes.publishers, sizes.items, "at most the items"),
        ("n_keywords", sizes.keywords, 4 * sizes.items, "at most four for each item"),
        ("n_items", sizes.items, n // 8, "at most an eighth of n_events"),
        ("n_users", sizes.users, n // 2, "at most half of n_events"),
        ("n_topics", sizes.topics, sizes.keywords, "at most the keywords"),
    )
    for name, value, limit, rule in rules:
        if value > limit:
            raise SettingsError(f"{name} = {value:,} — {rule}: {limit:,}")
    return sizes
