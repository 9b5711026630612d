"""Limits: rates of keys, slates at once, an engine that lags."""

import threading
from contextlib import nullcontext

import pytest
from starlette.exceptions import HTTPException

from graphrec.errors import OverloadedError
from graphrec.serving.admission import RateLimit, SlatesAtOnce, TokenBuckets, rate_limit_of
from graphrec.serving.entries import NewEntry, Receipt
from graphrec.serving.keys import KeyFile, add_key
from graphrec.serving.limits import DoorSettings
from graphrec.serving.recording import Recorder
from tests.serving.house import House

ANN = "/v1/users/ann/recommendations"


class Hand:
    """A clock that a test turns."""

    def __init__(self):
        self.now = 50.0

    def __call__(self):
        return self.now


def test_a_bucket_holds_a_burst_and_fills_at_its_rate():
    hand = Hand()
    buckets = TokenBuckets(2.0, 3, clock=hand)
    taken = [buckets.take("ann") for _ in range(4)]
    assert [one.allowed for one in taken] == [True, True, True, False]
    assert [one.left for one in taken] == [2, 1, 0, 0]
    assert [one.full_s for one in taken] == [0.5, 1.0, 1.5, 1.5]
    assert [one.wait_s for one in taken] == [0, 0, 0, 0.5]
    assert buckets.take("bob").allowed
    hand.now += 0.4
    assert buckets.take("ann").wait_s == pytest.approx(0.1)
    hand.now += 0.1
    assert buckets.take("ann").allowed and not buckets.take("ann").allowed
    hand.now += 1000
    assert buckets.take("ann").left == 2


def test_who_asks_too_often_is_told_how_long_to_wait_in_whole_seconds():
    hand = Hand()
    limit, scope = RateLimit(0.25, 1, clock=hand), {}
    limit.take("ann", scope)
    assert scope["state"]["rate_limit"] == {
        "RateLimit-Policy": '"requests";q=1;w=4',
        "RateLimit": '"requests";r=0;t=4',
    }
    hand.now += 0.5
    with pytest.raises(HTTPException) as caught:
        limit.take("ann", scope)
    assert caught.value.status_code == 429 and caught.value.headers == {"Retry-After": "4"}
    assert "'ann' may send 0.25 requests a second, 1 at once" in caught.value.detail


def test_nobody_is_limited_by_default_and_a_burst_is_a_second_of_requests():
    assert rate_limit_of(DoorSettings()) is None
    limit = rate_limit_of(DoorSettings(requests_per_s=2.5))
    scope = {}
    for _ in range(3):
        limit.take("ann", scope)
    with pytest.raises(HTTPException):
        limit.take("ann", scope)


def test_every_key_has_its_own_limit_and_every_answer_tells_it(tmp_path):
    path = tmp_path / "keys.json"
    keys = {name: add_key(path, name, ["read"]) for name in ("one", "other")}
    door = DoorSettings(requests_per_s=0.001, burst=2)
    house = House(tmp_path, keys=KeyFile(path), door=door)
    try:

        def ask(key, url=ANN):
            return house.client.get(url, headers={"X-API-Key": key} if key else {})

        first = ask(keys["one"])
        assert first.status_code == 200
        assert first.headers["ratelimit-policy"] == '"requests";q=2;w=2000'
        assert first.headers["ratelimit"] == '"requests";r=1;t=1000'
        # What is refused for its scope or its question counts, too.
        assert ask(keys["one"], "/metrics").status_code == 403
        third = ask(keys["one"])
        assert third.status_code == 429
        assert third.headers["content-type"] == "application/problem+json"
        assert 900 < int(third.headers["retry-after"]) <= 1000
        assert third.headers["ratelimit"].startswith('"requests";r=0;t=')
        wrong = ask(keys["other"], f"{ANN}?k=0")
        assert wrong.status_code == 422 and "r=1" in wrong.headers["ratelimit"]
        assert ask(keys["other"]).status_code == 200
        assert ask(None).status_code == 401 and "ratelimit" not in ask("grk_x").headers
        assert ask(None, "/health/live").status_code == 200
    finally:
        house.close()


def test_an_open_door_has_no_limit_unless_it_is_set(tmp_path):
    house = House(tmp_path)
    try:
        answers = [house.client.get(ANN) for _ in range(30)]
        assert all(one.status_code == 200 for one in answers)
        assert "ratelimit" not in answers[0].headers
    finally:
        house.close()


def test_places_for_slates_are_given_back_whatever_happens():
    at_once = SlatesAtOnce(1)
    for fails in (False, True, False):
        with pytest.raises(ZeroDivisionError) if fails else nullcontext(), at_once.place():
            with pytest.raises(HTTPException) as caught, at_once.place():
                pass
            assert caught.value.status_code == 429
            assert caught.value.headers == {"Retry-After": "1"}
            if fails:
                raise ZeroDivisionError


def test_slates_beyond_those_at_once_are_refused_and_other_doors_stay_open(tmp_path, monkeypatch):
    # Long slates are made in threads.
    monkeypatch.setattr("graphrec.serving.slate_doors._SHORT_S", -1.0)
    house = House(tmp_path, door=DoorSettings(slates_at_once=2))
    inside, leave = threading.Semaphore(0), threading.Event()
    made = house.service.recommend

    def slow(*asked):
        inside.release()
        assert leave.wait(20)
        return made(*asked)

    monkeypatch.setattr(house.service, "recommend", slow)
    answers = []
    with house.client as client:
        threads = [
            threading.Thread(target=lambda: answers.append(client.get(ANN).status_code))
            for _ in range(2)
        ]
        try:
            for thread in threads:
                thread.start()
            for _ in threads:
                assert inside.acquire(timeout=20)
            refused = client.get("/v1/recommendations")
            assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
            assert "2 slates are in work already" in refused.json()["detail"]
            assert client.get("/v1/users/ann/history").status_code == 200
        finally:
            leave.set()
            for thread in threads:
                thread.join()
        assert answers == [200, 200]
        assert client.get("/v1/recommendations").status_code == 200
    house.close()


class Lagging:
    """A log that is written, and an engine that has read less of it."""

    def __init__(self):
        self.applied_seq, self.seq, self.n_submitted = 0, 0, 0

    def poke(self):
        pass

    def submit_forget(self, user_id):
        raise AssertionError

    def submit(self, new):
        from concurrent.futures import Future

        self.n_submitted += 1
        self.seq += len(new)
        future = Future()
        future.set_result([Receipt("stored", self.seq)] * len(new))
        return future


def test_writing_waits_while_slates_lag_too_far_behind():
    both = Lagging()
    recorder = Recorder(both, both, most_behind=3)
    entries = [NewEntry("impression", f"k{n}", 1, "{}") for n in range(4)]

    def store():
        return recorder.store(entries, lambda entry, receipt: receipt.seq).result()

    assert store() == [4, 4, 4, 4] and recorder.n_behind == 4
    with pytest.raises(OverloadedError, match="lag 4 entries behind the log, of at most 3"):
        store()
    assert both.n_submitted == 1
    both.applied_seq = 1
    assert store()[0] == 8


def test_a_lagging_engine_is_answered_with_a_time_to_wait(tmp_path):
    house = House(tmp_path, most_behind=1)
    try:
        event = {"event_type": "watch", "user_id": "ann", "item_id": "b"}
        house.engine.close()
        events = [event | {"event_id": f"e{n}"} for n in range(2)]
        house.post("/v1/events", events)
        for door, body in (
            ("/v1/events", event | {"event_id": "late"}),
            ("/v1/impressions", {"impression_id": "late", "shown": ["b"]}),
        ):
            answer = house.client.post(door, json=body)
            assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
            assert "lag 2 entries behind" in answer.json()["detail"]
        assert house.log.count() == 2
        assert house.get("/v1/admin/status")["n_behind"] == 2
        # What has to be forgotten is, and slates are made, however far behind they are.
        assert house.client.delete("/v1/users/ann").status_code == 200
        assert house.get(ANN)["items"]
        house.engine.catch_up()
        house.post("/v1/events", event | {"event_id": "late"})
    finally:
        house.close()
