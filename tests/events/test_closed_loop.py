"""A world lived under policies: determinism, what a policy knows, what follows from its pages."""

import numpy as np
import pytest

from graphrec.arrays import DAY_S
from graphrec.errors import DataError, LeakageError, SettingsError
from graphrec.events.world import WorldSettings, generate_world
from graphrec.events.world.closed_loop import LoopSettings, live_loop, open_world
from graphrec.events.world.mixture import MixturePolicy
from graphrec.events.world.policy import PageRequests, Pages, Policy
from graphrec.kernels.world_scene import WATCH
from graphrec.stages import Queries

SETTINGS = WorldSettings(n_events=8_000, days=24, seed=4, n_items=200)
WARM_UP, DAYS = 12, 8


@pytest.fixture(scope="module")
def opening():
    return open_world(SETTINGS, WARM_UP)


class ByScore:
    """Shows the available items of highest score, and keeps all it is told."""

    def __init__(self, score, switch_s=2**62):
        self.score, self.switch_s = np.asarray(score), switch_s
        self.told, self.asked = [], []

    def fit(self, dataset, cut_s):
        pass

    def absorb(self, events, pages):
        self.told.append((events, pages))

    def recommend(self, requests):
        score = np.where(requests.available, self.score, -np.inf)
        best = np.argsort(-score, kind="stable")[: requests.n_places].astype(np.int32)
        item = np.tile(best, (len(requests), 1))
        late = requests.queries.time_s >= self.switch_s
        item[late] = item[late, ::-1]
        self.asked.append((requests, len(self.told)))
        return Pages.certain(item)


def mixture_life(opening, **settings):
    return live_loop(opening, MixturePolicy(SETTINGS.seed), DAYS, LoopSettings(**settings))


def assert_same_life(one, other):
    for name in ("actor", "acts", "viewer", "shown", "chance"):
        assert getattr(one.trace, name).tolist() == getattr(other.trace, name).tolist(), name
    assert one.trace.pages.tolist() == other.trace.pages.tolist()
    assert one.visit.tolist() == other.visit.tolist()
    assert one.goodwill.tolist() == other.goodwill.tolist()


def test_a_life_is_the_same_twice_and_for_every_length_of_the_spans(opening):
    one = mixture_life(opening)
    assert_same_life(one, mixture_life(opening))
    assert_same_life(one, mixture_life(opening, span_minutes=7))
    assert_same_life(one, mixture_life(opening, span_minutes=1440))


def test_two_policies_meet_the_same_users_at_the_same_seconds_on_the_first_day(opening):
    quality = opening.truth.items["quality"]
    good, bad = (live_loop(opening, ByScore(s), 2) for s in (quality, -quality))
    sessions = slice(0, int(good.visit_ptr[1]))
    assert good.visitor[sessions].tolist() == bad.visitor[sessions].tolist()
    _, first = np.unique(good.visitor[sessions], return_index=True)
    starts = [life.visit["start_s"][first].tolist() for life in (good, bad)]
    assert starts[0] == starts[1] and len(first) > 20


def test_the_warm_up_is_the_logged_world_less_what_was_not_over(opening):
    world = generate_world(SETTINGS)
    whole = world.dataset.log.before(opening.cut_s)
    duration = opening.truth.items["duration_s"]
    watch = whole.type_index("watch")
    is_watch = whole.edge_type == watch
    length = np.where(is_watch, duration[np.where(is_watch, whole.target_row, 0)], 0)
    end_s = whole.time_s + np.round(whole.weight.astype(np.float64) * length).astype(np.int64)
    kept = end_s + 3 * is_watch < opening.cut_s
    log = opening.dataset.log
    acted = np.isin(log.edge_type, [log.type_index(n) for n in ("watch", "rate", "published_by")])
    expected = whole.take(kept & np.isin(whole.edge_type, np.unique(log.edge_type[acted])))
    found = log.take(acted)
    assert len(found) > 1_000
    for name in ("time_s", "edge_type", "source_row", "target_row", "weight"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    assert log.time_s[-1] < opening.cut_s
    assert opening.dataset.impressions["time_s"].max() < opening.cut_s


def ends_of(opening, events):
    """When each told event was over."""
    is_watch = events.edge_type == events.type_index("watch")
    length = opening.truth.items["duration_s"][np.where(is_watch, events.target_row, 0)]
    share = np.where(is_watch, events.weight.astype(np.float64), 0.0)
    return events.time_s + np.round(share * length).astype(np.int64)


def test_a_policy_is_told_only_what_was_over_before_any_page_it_is_asked_for(opening):
    policy = ByScore(opening.truth.items["appeal"])
    live_loop(opening, policy, DAYS, LoopSettings(span_minutes=30))
    n_told, latest_s, n_asked = 0, 0, 0
    for requests, n in policy.asked:
        for events, pages in policy.told[n_told:n]:
            ends = [*ends_of(opening, events).tolist(), *pages.end_s.tolist()]
            latest_s = max([latest_s, *ends])
        n_told = n
        assert latest_s < requests.told_s <= requests.queries.time_s.min()
        asker = np.repeat(np.arange(len(requests)), np.diff(requests.queries.history_ptr))
        assert (requests.queries.history_time_s < requests.queries.time_s[asker]).all()
        published_s = opening.truth.items["published_s"]
        assert (published_s[requests.available] < requests.told_s).all()
        n_asked += len(requests)
    assert n_told > 50 and n_asked > 200


def test_all_that_happens_is_told_once(opening):
    policy = ByScore(opening.truth.items["appeal"])
    life = live_loop(opening, policy, DAYS)
    last_s = policy.asked[-1][0].told_s
    # What the warm-up left unfinished at its last midnight is told as well.
    expected, n_pages = [], 0
    for trace, first_s in ((opening.warm_up.trace, opening.cut_s), (life.trace, 0)):
        acts = trace.acts
        end_s = acts["time_s"] + acts["watched_s"]
        over = (acts["kind"] == WATCH) & (end_s + 3 >= first_s) & (end_s < last_s)
        expected += zip(acts["time_s"][over].tolist(), trace.actor[over].tolist(), strict=True)
        page_end_s = trace.pages["end_s"]
        n_pages += int(((page_end_s >= first_s) & (page_end_s < last_s)).sum())
    told = [
        (time_s, user)
        for events, _ in policy.told
        for time_s, user, kind in zip(
            events.time_s.tolist(),
            events.source_row.tolist(),
            events.edge_type.tolist(),
            strict=True,
        )
        if kind == events.type_index("watch")
    ]
    assert sorted(told) == sorted(expected) and len(told) > 500
    assert sum(len(pages) for _, pages in policy.told) == n_pages
    published = sum(
        int((e.edge_type == e.type_index("published_by")).sum()) for e, _ in policy.told
    )
    published_s = opening.truth.items["published_s"]
    assert published == int(((published_s >= opening.cut_s) & (published_s < last_s)).sum()) > 0


def test_a_changed_future_changes_nothing_that_was_asked_or_told_before(opening):
    """From noon of the third day another policy shows its pages upside down."""
    switch_s = opening.cut_s + 2 * DAY_S + DAY_S // 2
    appeal = opening.truth.items["appeal"]
    plain, planted = ByScore(appeal), ByScore(appeal, switch_s)
    lives = [live_loop(opening, policy, DAYS) for policy in (plain, planted)]
    assert lives[0].trace.acts.tolist() != lives[1].trace.acts.tolist()
    views = [view_before(policy, switch_s) for policy in (plain, planted)]
    assert len(views[0]) > 100
    assert views[0] == views[1]


def view_before(policy, switch_s):
    view, seen = [], 0
    for requests, n in policy.asked:
        if requests.told_s > switch_s:
            break
        for events, pages in policy.told[seen:n]:
            view.append((events.time_s.tolist(), events.weight.tolist(), pages.clicked.tolist()))
        seen = n
        queries = requests.queries
        for q, time_s in enumerate(queries.time_s.tolist()):
            if time_s < switch_s:
                mine = queries.history(q)
                view.append((time_s, queries.history_item[mine].tolist()))
    return view


def test_own_watches_are_known_at_once_newest_first(opening):
    policy = ByScore(opening.truth.items["appeal"])
    life = live_loop(opening, policy, DAYS, LoopSettings(span_minutes=1440))
    trace = life.trace
    warm = opening.warm_up.trace
    checked = 0
    for requests, _ in policy.asked[-40:]:
        queries = requests.queries
        for q, user in enumerate(queries.user_row.tolist()):
            done = [
                (int(act["time_s"]), int(act["target"]))
                for part in (warm, trace)
                for act in part.acts[part.actor == user]
                if act["kind"] == WATCH and act["time_s"] < queries.time_s[q]
            ]
            mine = queries.history(q)
            shown = zip(
                queries.history_time_s[mine].tolist(),
                queries.history_item[mine].tolist(),
                strict=True,
            )
            assert list(shown) == done[::-1][:64]
            checked += len(done) > 0
    assert checked > 20


def test_pleasing_pages_keep_users_and_vexing_ones_lose_them(opening):
    quality = opening.truth.items["quality"]
    good, bad = (live_loop(opening, ByScore(s), DAYS) for s in (quality, -quality))
    assert good.goodwill.mean() > bad.goodwill.mean() + 0.05
    assert (good.left_day >= 0).sum() < (bad.left_day >= 0).sum()
    assert not (good.left_day[good.left_before] >= 0).any()


def test_the_mixture_lives_on_as_the_logged_world_did(opening):
    world = generate_world(SETTINGS)
    log = world.dataset.log.interactions(names=("watch",))
    last_s = opening.cut_s + DAYS * DAY_S
    logged = int(((log.time_s >= opening.cut_s) & (log.time_s < last_s)).sum())
    acts = mixture_life(opening).trace.acts
    assert int((acts["kind"] == WATCH).sum()) == pytest.approx(logged, rel=0.1)


class Fixed:
    """Always answers the same."""

    def __init__(self, answer):
        self.answer = answer

    def fit(self, dataset, cut_s):
        pass

    def absorb(self, events, pages):
        pass

    def recommend(self, requests):
        return self.answer(requests)


def filled(first, chance=1.0, places=None):
    def answer(requests):
        n = requests.n_places if places is None else places
        item = np.tile(np.arange(first, first + n, dtype=np.int32), (len(requests), 1))
        return Pages(item, np.full(item.shape, chance, np.float32))

    return answer


def twice(requests):
    item = np.zeros((len(requests), requests.n_places), np.int32)
    return Pages.certain(item)


def with_a_gap(requests):
    item = np.tile(np.array([[0, -1, *range(1, 9)]], np.int32), (len(requests), 1))
    return Pages.certain(item)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (filled(0, places=3), DataError, "pages of shape"),
        (filled(200), DataError, "item row 200 at place 1 of a page — rows are from 0 to 199"),
        (with_a_gap, DataError, "behind an empty place"),
        (filled(0, chance=0.0), DataError, "propensity"),
        (filled(0, chance=1.5), DataError, "propensity"),
        (twice, DataError, "twice"),
        (filled(190), LeakageError, "only what is out can be shown"),
    ],
)
def test_a_page_that_breaks_a_rule_is_refused(opening, answer, error, words):
    with pytest.raises(error, match=words):
        live_loop(opening, Fixed(answer), 1)


def test_an_empty_page_is_an_empty_handed_one(opening):
    def nothing(requests):
        return Pages.certain(np.full((len(requests), requests.n_places), -1, np.int32))

    life = live_loop(opening, Fixed(nothing), 2)
    assert (life.trace.pages["n_shown"] == 0).all()
    assert (life.trace.acts["place"][life.trace.acts["kind"] == WATCH] != 0).all()


def test_periods_that_do_not_fit_are_refused(opening):
    with pytest.raises(SettingsError, match="days = 13 — from 1 to 12"):
        live_loop(opening, MixturePolicy(1), 13)
    with pytest.raises(SettingsError, match="warm_up_days = 24"):
        open_world(SETTINGS, 24)


def test_the_mixture_is_a_policy_and_needs_a_platform(opening):
    policy = MixturePolicy(1)
    assert isinstance(policy, Policy)
    asked = ByScore(opening.truth.items["appeal"])
    live_loop(opening, asked, 1)
    with pytest.raises(DataError, match="no platform"):
        policy.recommend(asked.asked[0][0])


def test_the_mixture_tells_the_chance_with_which_it_shows_an_item_first(opening):
    policy = MixturePolicy(SETTINGS.seed)
    live_loop(opening, policy, 1)
    n = 20_000
    user = np.full(n, 5, np.int32)
    time_s = opening.cut_s + np.arange(n, dtype=np.int64)
    nothing = np.zeros(n + 1, np.int64)
    queries = Queries(
        user, time_s, nothing, np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float32)
    )
    available = np.ones(len(opening.truth.items), np.bool_)
    requests = PageRequests(queries, np.arange(n), available, 10, opening.cut_s)
    pages = policy.recommend(requests)
    first, told = pages.item_row[:, 0], pages.propensity[:, 0].astype(np.float64)
    drawn = np.bincount(first, minlength=len(available)) / n
    chance = np.zeros(len(available))
    chance[first] = told
    assert chance.sum() == pytest.approx(1.0, abs=0.01)
    assert np.abs(drawn - chance).max() < 5 * np.sqrt(chance.max() / n)
