"""Who may come in, how keys are compared, and that no secret gets into logs or answers."""

import io
import logging
import time

import pytest

from graphrec.serving import keys as keys_module
from graphrec.serving.keys import KeyFile, add_key
from graphrec.serving.logs import JsonLines
from tests.serving.live_server import LiveServer, event
from tests.serving.postgres_server import PASSWORD

# The page is for people in a browser, who give it the key; health is for whoever runs the server.
OPEN_PATHS = ("/health/", "/page/")
ADMIN_PATHS = ("/v1/admin/", "/metrics")


@pytest.fixture
def all_keys(tmp_path):
    """A key of each scope, by scope."""
    path = tmp_path / "keys.json"
    return {scope: add_key(path, f"who {scope}s", [scope]) for scope in ("read", "write", "admin")}


@pytest.fixture
def live(tmp_path, all_keys):
    with LiveServer(f"sqlite:///{tmp_path}/log.sqlite", keys=KeyFile(tmp_path / "keys.json")) as it:
        yield it


def guarded_doors(live):
    """Path, method and needed scope of every door but those open to all."""
    for pattern, methods in live.client.get("/openapi.json").json()["paths"].items():
        if pattern == "/" or pattern.startswith(OPEN_PATHS):
            continue
        path = pattern.replace("{user_id}", "ann").replace("{item_id}", "a")
        for method in methods:
            scope = "read" if method in ("get", "head") else "write"
            yield path, method, "admin" if path.startswith(ADMIN_PATHS) else scope


def test_every_door_refuses_who_has_no_key_or_one_of_too_small_a_scope(live, all_keys):
    doors = list(guarded_doors(live))
    assert len(doors) >= 8 and {scope for *_, scope in doors} == {"read", "write", "admin"}
    stranger = "grk_" + "x" * 43
    for path, method, scope in doors:
        for headers in ({}, {"X-API-Key": ""}, {"X-API-Key": stranger}, {"Authorization": "x"}):
            answer = live.client.request(method, path, headers=headers)
            assert answer.status_code == 401, (method, path, headers)
            assert "ApiKey" in answer.headers["www-authenticate"]
        answer = live.client.request(method, path, params={"X-API-Key": all_keys["admin"]})
        assert answer.status_code == 401, (method, path)
        for held in {"read", "write"} - {scope}:
            answer = live.client.request(method, path, headers={"X-API-Key": all_keys[held]})
            assert answer.status_code == 403, (method, path, held)
    assert live.log.count() == 0


def test_keys_are_told_apart_by_a_comparison_of_constant_time_alone(tmp_path, monkeypatch):
    path = tmp_path / "keys.json"
    right, *_ = [add_key(path, str(n), ["read"]) for n in range(5)]
    compared = []

    def compare(one, other, answer):
        compared.append((len(one), len(other)))
        return answer

    assert KeyFile(path).caller_of(right).name == "0"
    monkeypatch.setattr(keys_module.hmac, "compare_digest", lambda a, b: compare(a, b, False))
    assert KeyFile(path).caller_of(right) is None
    # All are compared, and as hashes: neither the place nor the length of a key shows in the time.
    assert compared == [(64, 64)] * 5
    monkeypatch.setattr(keys_module.hmac, "compare_digest", lambda a, b: compare(a, b, True))
    assert KeyFile(path).caller_of("anything") is not None


@pytest.fixture
def lines():
    """All that is logged, by anybody, as the server writes it."""
    found = io.StringIO()
    handler = logging.StreamHandler(found)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield found
    root.removeHandler(handler)
    root.setLevel(before)


def test_no_key_gets_into_logs_or_answers(live, all_keys, lines, monkeypatch):
    stranger = "grk_" + "y" * 43
    told = []
    for key in (*all_keys.values(), stranger):
        for headers, params in (({"X-API-Key": key}, {}), ({}, {"key": key, "X-API-Key": key})):
            for path, method, _ in guarded_doors(live):
                told.append(live.client.request(method, path, headers=headers, params=params))
            told.append(live.client.get(f"/no/{key}", headers=headers))
            told.append(live.client.post("/v1/events", json=event(1), headers=headers))
    monkeypatch.setattr("graphrec.serving.service.Service.history", lambda *_: 1 / 0)
    headers = {"X-API-Key": all_keys["read"]}
    told.append(live.client.get("/v1/users/ann/history", headers=headers))
    assert told[-1].status_code == 500 and "ZeroDivisionError" in lines.getvalue()
    assert lines.getvalue().count('"path": "/v1/events"') >= 4
    of_server = "\n".join(x for x in lines.getvalue().splitlines() if '"from": "graphrec' in x)
    for key in (*all_keys.values(), stranger):
        assert key not in of_server
        assert not any(key in answer.text + str(answer.headers) for answer in told)


def test_no_password_gets_into_logs_or_answers(postgres_url, server, lines):
    with LiveServer(postgres_url, connect_timeout_s=2) as live:
        live.assert_takes_good_events("first")
        server.stop("fast")
        try:
            told = [live.tell(2).text, live.client.delete("/v1/users/ann").text]
            deadline = time.monotonic() + 20
            while live.client.get("/health/ready").status_code == 200:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            told.append(live.client.get("/health/ready").text)
            told.append(live.client.get("/v1/admin/status").text)
        finally:
            server.start()
    assert "the log cannot be read" in lines.getvalue()
    assert any("***@127.0.0.1" in text for text in told)
    assert PASSWORD not in lines.getvalue() + "".join(told)
