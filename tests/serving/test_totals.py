"""What is summed over processes, and what lies between two looks at it."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.errors import StoreUnavailableError
from graphrec.serving.messages import EventOut, EventsOut, SlateOut, StatusOut
from graphrec.serving.metrics import Metrics
from graphrec.serving.overview import Overview, RecommenderOut, rates
from graphrec.serving.totals import between, newest_span, quantile, steps, totals_of

INF = float("inf")
STATUS = StatusOut(
    ready=True,
    seq=7,
    n_users=3,
    n_items=4,
    n_edges=5,
    n_skipped=1,
    n_behind=0,
    n_shown=0,
    n_clicked=0,
    objectives={},
    failure=None,
)
SLATE = SlateOut(slate_id="s", items=[], next_cursor=None, notes=[], seq=7, time_s=1)
MODEL = RecommenderOut(name="start", sources=["walk", "ease"], ranker="BoostedTrees")


def answered(metrics, path, status, seconds=0.004):
    metrics._requests.labels("GET", path, status).inc()
    metrics._seconds.labels("GET", path).observe(seconds)


def stored(n, outcome="stored"):
    return EventsOut(results=[EventOut(event_id="e", outcome=outcome, seq=1)] * n, seq=1)


def test_quantiles_lie_evenly_within_their_bucket():
    # 10 up to 1 s, 30 more up to 2 s, none beyond.
    buckets = {1.0: 10.0, 2.0: 40.0, INF: 40.0}
    assert quantile(buckets, 0.25) == 1.0
    assert quantile(buckets, 0.5) == pytest.approx(1 + 10 / 30)
    assert quantile(buckets, 0.125) == 0.5
    assert quantile(buckets, 1.0) == 2.0


def test_quantiles_of_nothing_are_none_and_beyond_the_last_bound_are_that_bound():
    assert quantile({}, 0.5) is None
    assert quantile({1.0: 0.0, INF: 0.0}, 0.5) is None
    assert quantile({1.0: 1.0, INF: 4.0}, 0.9) == 1.0


@given(st.lists(st.floats(0.001, 9.9), min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_lies_in_the_bucket_of_the_observation_it_stands_for(seconds, q):
    bounds = [1.0, 2.0, 5.0, 10.0, INF]
    buckets = {bound: float(sum(one <= bound for one in seconds)) for bound in bounds}
    found = quantile(buckets, q)
    place = max(1, -int(-q * len(seconds) // 1))
    exact = sorted(seconds)[min(place, len(seconds)) - 1]
    lower = max([0.0, *(bound for bound in bounds if bound < exact)])
    upper = min(bound for bound in bounds if bound >= exact)
    assert lower - 1e-9 <= found <= upper + 1e-9


def test_totals_leave_out_what_is_asked_for_the_servers_own_sake():
    metrics = Metrics(lambda: STATUS, lambda: "start")
    for path, status in (
        ("/v1/users/{user_id}/history", 200),
        ("/v1/users/{user_id}/history", 404),
        ("/v1/events", 503),
        ("/v1/admin/overview", 200),
        ("/metrics", 200),
        ("unknown", 404),
    ):
        answered(metrics, path, status)
    metrics.recorded(stored(2))
    metrics.recorded(stored(1, "refused"))
    metrics.made(SLATE, 0.002)
    metrics.became_visible(0.03)
    metrics.is_behind(6)
    metrics.refresh()
    found = totals_of(metrics.families(), 10.0)
    assert found.answers == {"2xx": 1, "4xx": 1, "5xx": 1}
    assert found.events == {"stored": 2, "refused": 1}
    assert found.answer_s[INF] == 3 and found.slate_s[INF] == 1 and found.fresh_s[0.02] == 0
    assert found.fresh_s[0.03] == 1
    wanted = {"ready": 1, "seq": 7, "users": 3, "items": 4, "edges": 5, "skipped": 1, "behind": 6}
    assert {name: found.gauges[name] for name in wanted} == wanted
    assert found.gauges["workers"] == 1


def test_rates_are_what_was_added_over_the_time_between():
    metrics = Metrics(lambda: STATUS, lambda: "start")
    metrics.recorded(stored(5))
    first = totals_of(metrics.families(), 10.0)
    metrics.recorded(stored(8))
    metrics.recorded(stored(3, "repeated"))
    for status in (200, 200, 422, 500):
        answered(metrics, "/v1/events", status, seconds=0.0015)
    metrics.made(SLATE, 0.015)
    second = totals_of(metrics.families(), 14.0)
    found = rates(first, second)
    assert (found.events_per_s, found.requests_per_s, found.errors_per_s) == (2.0, 1.0, 0.5)
    assert found.slates_per_s == 0.25
    assert found.answers.p50_ms == 1.5 and found.slates.p50_ms == 15.0
    assert found.freshness.p99_ms is None
    assert between({}, {1.0: 2.0}) == {1.0: 2.0}


def test_the_newest_span_is_as_long_as_was_asked_or_all_there_is():
    points = [totals_of([], float(time_s)) for time_s in (0, 10, 20, 30)]
    assert [one.time_s for one in newest_span(points, 15)] == [10, 30]
    assert [one.time_s for one in newest_span(points, 99)] == [0, 30]
    assert [one.time_s for one in newest_span(points[:1], 99)] == [0, 0]
    assert len(list(steps([points[0], *points]))) == 3


def test_the_overview_tells_state_model_and_every_step():
    metrics = Metrics(lambda: STATUS, lambda: MODEL.name)
    behind = []

    def n_behind():
        behind.append(1)
        if len(behind) == 1:
            raise StoreUnavailableError("gone")
        return 4

    overview = Overview(metrics, lambda: MODEL, lambda: None, n_behind)
    assert overview.answer().sizes.behind is None
    metrics.recorded(stored(3))
    overview.look()
    found = overview.answer()
    assert found.ready and found.workers == 1 and 0 <= found.uptime_s < 60
    assert found.events == {"stored": 3} and found.last_minute.events_per_s > 0
    assert found.sizes.model_dump() == {
        "users": 3,
        "items": 4,
        "edges": 5,
        "seq": 7,
        "behind": None,
        "skipped": 1,
    }
    assert len(found.points) == 2 and found.points[-1].ago_s == 0
    assert found.model == MODEL


def test_the_overview_looks_by_itself_and_survives_a_log_that_is_gone(monkeypatch):
    from graphrec.serving import overview as module

    monkeypatch.setattr(module, "PERIOD_S", 0.02)
    told = []

    def n_behind():
        told.append(1)
        if len(told) == 1:
            raise StoreUnavailableError("gone")
        return 4

    overview = Overview(
        Metrics(lambda: STATUS, lambda: "start"),
        lambda: MODEL,
        lambda: "the disk is gone",
        n_behind,
    )
    overview.start()
    deadline = time.monotonic() + 10
    while len(told) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    overview.close()
    found = overview.answer()
    assert found.sizes.behind == 4 and len(found.points) >= 3
    assert not found.ready and found.failure == "the disk is gone"


def test_the_bundle_that_answers_is_told_and_no_other():
    names = ["first"]
    metrics = Metrics(lambda: STATUS, lambda: names[-1])
    metrics.page()
    names.append("second")
    lines = [line for line in metrics.page().decode().splitlines() if "build_info{" in line]
    assert {re.search('model="(.*?)"', line)[1]: line[-3:] for line in lines} == {
        "first": "0.0",
        "second": "1.0",
    }
