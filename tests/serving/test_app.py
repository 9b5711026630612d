"""The HTTP door: what is acknowledged is durable and seen, and wrong input leaves no trace."""

import io
import json
import logging
import sys
import threading
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import method_named
from graphrec.serving.app import Doors, DoorSettings, build_app
from graphrec.serving.following import Engine, FollowingSettings
from graphrec.serving.keys import KeyFile, add_key
from graphrec.serving.logs import JsonLines
from graphrec.serving.service import Service, ServiceSettings
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.state import LiveState
from graphrec.serving.store import EntryLog
from tests.worlds import small_dataset

NOW = 1000.0
ROWS = [(1, "ann", "a"), (2, "ann", "b"), (3, "bob", "a"), (4, "bob", "c"), (5, "eve", "c")]


class House:
    """A service on a log in a folder, which can be closed and opened again."""

    def __init__(self, folder, *, keys=None, **settings):
        dataset = small_dataset(ROWS)
        state = LiveState(fit_pipeline(dataset, method_named("walk", {})))
        self.log = EntryLog(EntryLogSettings(url=f"sqlite:///{folder}/log.sqlite"))
        self.engine = Engine(self.log, state, FollowingSettings(poll_s=0.02))
        self.engine.catch_up()
        self.engine.start()
        service = Service(self.log, self.engine, ServiceSettings(**settings), clock=lambda: NOW)
        app = build_app(Doors(service), keys, DoorSettings(body_bytes=200_000))
        self.client = TestClient(app, raise_server_exceptions=False)

    def close(self):
        self.engine.close()
        self.log.close()

    def told(self, *events, status=200):
        answer = self.client.post("/v1/events", json=list(events))
        assert answer.status_code == status, answer.text
        return answer.json()

    def seen(self, answer):
        assert self.engine.wait_until(answer["seq"], 5)


@pytest.fixture
def house(tmp_path):
    found = House(tmp_path)
    yield found
    found.close()


def event(number, user="ann", item="d", **more):
    return {
        "event_id": f"e{number}",
        "event_type": "watch",
        "user_id": user,
        "item_id": item,
    } | more


def items_of(answer):
    assert answer.status_code == 200, answer.text
    return [one["item_id"] for one in answer.json()["items"]]


def test_an_event_that_is_acknowledged_is_durable_and_changes_the_next_slate(house, tmp_path):
    before = items_of(house.client.get("/v1/users/ann/recommendations?k=3"))
    assert "c" in before
    answer = house.told(event(1, item="c"))
    assert [one["outcome"] for one in answer["results"]] == ["stored"]
    house.seen(answer)
    slate = house.client.get("/v1/users/ann/recommendations?k=3").json()
    assert "c" not in [one["item_id"] for one in slate["items"]]
    assert slate["seq"] >= answer["seq"] and slate["time_s"] == int(NOW) + 1
    assert items_of(house.client.get("/v1/users/ann/history")) == ["c", "b", "a"]
    house.close()
    again = House(tmp_path)
    assert items_of(again.client.get("/v1/users/ann/history")) == ["c", "b", "a"]
    again.close()


def test_a_repeated_event_is_stored_once_and_another_under_its_id_is_not_stored(house):
    first = house.told(event(1), event(2, item="c"))
    again = house.told(event(2, item="c"), event(3, item="b"), event(1, item="c"))
    outcomes = [one["outcome"] for one in again["results"]]
    assert outcomes == ["repeated", "stored", "conflicting"]
    assert again["results"][0]["seq"] == first["results"][1]["seq"]
    house.seen(again)
    assert items_of(house.client.get("/v1/users/ann/history")) == ["b", "c", "d", "b", "a"]


def test_new_users_and_items_are_known_with_their_first_event(house):
    assert house.client.get("/v1/users/zoe/history").status_code == 404
    newcomer = items_of(house.client.get("/v1/users/zoe/recommendations?k=2"))
    assert newcomer == items_of(house.client.get("/v1/recommendations?k=2")) != []
    house.seen(house.told(event(1, user="zoe", item="brand new")))
    assert items_of(house.client.get("/v1/users/zoe/history")) == ["brand new"]
    found = items_of(house.client.get("/v1/items/a/similar?k=5"))
    assert found and "a" not in found
    assert house.client.get("/v1/items/nope/similar").status_code == 404


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"event_type": "wach"}, "event_type", "there are watch"),
        ({"event_type": None}, "event_type", "valid string"),
        ({"time_s": -1}, "time_s", "greater than or equal to 0"),
        ({"time_s": 2**41}, "time_s", "less than or equal"),
        ({"time_s": 2000}, "time_s", "at most 300 s ahead"),
        ({"time_s": "soon"}, "time_s", "valid integer"),
        ({"time_s": 1.5}, "time_s", "valid integer"),
        ({"weight": -1}, "weight", "greater than or equal to 0"),
        ({"weight": "much"}, "weight", "valid number"),
        ({"user_id": 7}, "user_id", "user ids are text"),
        ({"item_id": 7}, "item_id", "item ids are text"),
        ({"user_id": ""}, "user_id.constrained-str", "at least 1 character"),
        ({"user_id": "x" * 300}, "user_id.constrained-str", "at most 256"),
        ({"item_id": "a\u0000b"}, "item_id.constrained-str", "pattern"),
        ({"event_id": "a\u0000b"}, "event_id", "NUL"),
        ({"colour": "red"}, "colour", "Extra inputs"),
    ],
)
def test_wrong_input_is_named_and_leaves_no_trace(house, change, field, rule):
    answer = house.client.post("/v1/events", json=event(1) | change)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == 422 and document["title"]
    assert any(one["field"] == field and rule in one["rule"] for one in document["problems"])
    assert house.log.count() == 0
    kept = house.told(event(1) | change, event(2))
    assert [one["outcome"] for one in kept["results"]] == ["refused", "stored"]
    assert house.log.count() == 1


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "no JSON"),
        (b'{"event_id": "half', 400, "no JSON"),
        (b"\xff\xfe\x00", 400, "no JSON"),
        (b'{"weight": NaN}', 400, "NaN"),
        (b"[" * 100_000, 400, "nests too deeply"),
        (b"[]", 422, "no event"),
        (b"7", 422, "no event"),
        (b'{"events": 7}', 422, "no event"),
        (b'{"events": [7]}', 422, "event"),
        (b"[" + b",".join([b"7"] * 1001) + b"]", 413, "at most 1000"),
        (b" " * 200_001, 413, "200,000 bytes"),
    ],
)
def test_bodies_that_are_no_events_are_refused(house, body, status, words):
    answer = house.client.post("/v1/events", content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert house.log.count() == 0


def test_a_body_in_chunks_is_cut_off_where_it_is_too_long(house):
    chunks = iter([b" " * 50_000] * 5)
    assert house.client.post("/v1/events", content=chunks).status_code == 413


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/users/ann/recommendations?k=0", "query.k"),
        ("/v1/users/ann/recommendations?k=many", "query.k"),
        ("/v1/users/ann/recommendations?seen=maybe", "query.seen"),
        ("/v1/users/ann/recommendations?max_age_days=-1", "query.max_age_days"),
        ("/v1/users/ann/history?limit=0", "query.limit"),
    ],
)
def test_wrong_questions_name_the_field(house, path, field):
    answer = house.client.get(path)
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["field"] == field


def test_filters_hold_and_unknown_names_are_told(house):
    assert "c" not in items_of(house.client.get("/v1/users/ann/recommendations?deny=c"))
    answer = house.client.get("/v1/users/ann/recommendations?deny=nope")
    assert answer.status_code == 404 and "unknown item 'nope'" in answer.json()["detail"]
    answer = house.client.get("/v1/users/ann/recommendations?publisher=P")
    assert answer.status_code == 422 and "publisher" in answer.json()["detail"]


def test_no_path_answers_without_a_key_but_whether_it_lives(tmp_path):
    path = tmp_path / "keys.json"
    of_scope = {scope: add_key(path, scope, [scope]) for scope in ("read", "write", "admin")}
    house = House(tmp_path, keys=KeyFile(path))
    try:
        paths = house.client.get("/openapi.json").json()["paths"]
        for pattern, methods in paths.items():
            url = pattern.replace("{user_id}", "ann").replace("{item_id}", "a")
            for method in methods:
                answer = house.client.request(method, url)
                if url.startswith("/health/"):
                    assert answer.status_code == 200
                    continue
                assert answer.status_code == 401 and "www-authenticate" in answer.headers, url
                allowed = "read" if method == "get" else "write"
                if "admin" in url or url == "/metrics":
                    allowed = "admin"
                for scope, key in of_scope.items():
                    answer = house.client.request(method, url, headers={"X-API-Key": key})
                    may = scope in (allowed, "admin")
                    assert (answer.status_code == 403) != may, (url, scope)
        wrong = house.client.get("/v1/users/ann/history", headers={"X-API-Key": "grk_wrong"})
        assert wrong.status_code == 401
        # Who may write has deleted, and nothing was told without a body.
        kinds = {entry.kind for entry in house.log.read()}
        assert kinds == {"user_deleted", "item_deleted"}
    finally:
        house.close()


def test_a_user_who_is_forgotten_leaves_the_log_and_the_answers(house, tmp_path):
    house.seen(house.told(event(1, user="zoe"), event(2), event(3, user="zoe")))
    gone = house.client.delete("/v1/users/zoe").json()
    assert gone["n_removed"] == 2
    house.seen(gone)
    assert house.client.get("/v1/users/zoe/history").status_code == 404
    of_log = house.client.delete("/v1/users/ann").json()
    assert of_log["n_removed"] == 1
    house.close()
    again = House(tmp_path)
    assert again.client.get("/v1/users/zoe/history").status_code == 404
    assert again.client.get("/v1/users/ann/history").status_code == 404
    assert items_of(again.client.get("/v1/users/bob/history")) == ["c", "a"]
    assert again.client.delete("/v1/users/zoe").json()["n_removed"] in (0, 1)
    again.close()


def test_a_full_queue_is_told_with_a_time_to_wait(house, monkeypatch):
    from graphrec.errors import OverloadedError, StoreFullError, StoreUnavailableError

    for error, status in (
        (OverloadedError("too many wait", 2.4), 429),
        (StoreFullError("no room"), 507),
        (StoreUnavailableError("gone"), 503),
    ):

        def refuse(_, error=error):
            raise error

        monkeypatch.setattr(house.log, "submit", refuse)
        answer = house.client.post("/v1/events", json=event(1))
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert status == 507 or int(answer.headers["retry-after"]) >= 3


def test_metrics_and_status_tell_of_requests_and_state(house):
    house.seen(house.told(event(1, user="new one")))
    house.client.get("/v1/users/ann/history")
    text = house.client.get("/metrics").text
    assert 'graphrec_requests_total{method="POST",path="/v1/events",status="200"} 1.0' in text
    assert 'path="/v1/users/{user_id}/history"' in text and "ann" not in text
    assert "graphrec_users 4.0" in text and "graphrec_ready 1.0" in text
    status = house.client.get("/v1/admin/status").json()
    assert status["n_users"] == 4 and status["ready"] and status["n_skipped"] == 0
    assert house.client.get("/health/ready").json()["status"] == "ready"


def test_readiness_ends_when_the_log_cannot_be_followed(house):
    house.engine.close()
    house.engine.failure = "the disk is gone"
    answer = house.client.get("/health/ready")
    assert answer.status_code == 503 and "the disk is gone" in answer.json()["detail"]
    assert house.client.get("/health/live").status_code == 200


def test_a_failure_of_the_service_is_a_problem_without_its_inside(house, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr("graphrec.serving.service.Service.history", fail)
    answer = house.client.get("/v1/users/ann/history")
    assert answer.status_code == 500 and "secret" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_many_callers_at_once_lose_nothing_and_see_whole_answers(house):
    errors = []

    def call(number):
        for n in range(15):
            try:
                answer = house.told(event(f"{number}-{n}", user=f"user {number}", item=f"i{n}"))
                house.seen(answer)
                path = f"/v1/users/user {number}/history?limit=1000"
                assert len(items_of(house.client.get(path))) == n + 1
                assert items_of(house.client.get(f"/v1/users/user {number}/recommendations"))
            except BaseException as error:
                errors.append(error)
                raise

    threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert house.log.count() == 6 * 15


def test_the_clock_of_a_log_of_another_time_stands_just_past_its_newest_event(tmp_path):
    house = House(tmp_path, clock="log")
    try:
        assert house.client.get("/v1/users/ann/recommendations").json()["time_s"] == 6
        house.seen(house.told(event(1, time_s=5000)))
        assert house.client.get("/v1/users/ann/recommendations").json()["time_s"] == 5001
        house.seen(house.told(event(2)))
        assert json.loads(house.log.read()[1].body).get("time_s") is None
        assert house.client.get("/v1/users/ann/recommendations").json()["time_s"] == 5002
    finally:
        house.close()


def test_every_request_has_an_id_and_a_line_that_tells_nothing_of_people(house):
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("graphrec.serving")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        mine = house.client.get("/v1/users/ann/history", headers={"X-Request-ID": "mine-1"})
        drawn = house.client.get("/v1/users/zoe/history", headers={"X-Request-ID": "a b\t"})
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert mine.headers["x-request-id"] == "mine-1"
    assert len(drawn.headers["x-request-id"]) == 32
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert first["request_id"] == "mine-1" and first["status"] == 200 and first["ms"] >= 0
    assert first["path"] == "/v1/users/{user_id}/history" and first["level"] == "info"
    assert second["request_id"] == drawn.headers["x-request-id"] and second["status"] == 404
    assert "ann" not in lines.getvalue() and "zoe" not in lines.getvalue()


def test_a_failure_is_logged_with_its_trace(house):
    record = logging.LogRecord("graphrec", logging.ERROR, "", 1, "a %s failed", ("door",), None)
    line = json.loads(JsonLines().format(record))
    assert line["message"] == "a door failed" and line["level"] == "error" and "trace" not in line
    try:
        raise ValueError("inside")
    except ValueError:
        record.exc_info = sys.exc_info()
    assert "ValueError: inside" in json.loads(JsonLines().format(record))["trace"]


def test_ids_may_hold_anything_that_a_path_can_quote(house):
    user, item = "a/b c?ü&#\n", "x/../y\n"
    house.seen(house.told(event(1, user=user, item=item)))
    quoted = quote(user, safe="")
    assert items_of(house.client.get(f"/v1/users/{quoted}/history")) == [item]
    assert items_of(house.client.get(f"/v1/users/{quoted}/recommendations"))
    assert house.client.get(f"/v1/items/{quote(item, safe='')}/similar").status_code == 200
    assert house.client.delete(f"/v1/users/{quoted}").json()["n_removed"] == 1
