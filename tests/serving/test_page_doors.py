"""The page's files and the doors it asks, without a browser."""

import time
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import method_named
from graphrec.serving.app import Doors, build_app
from graphrec.serving.following import Engine, FollowingSettings
from graphrec.serving.freshness import Freshness
from graphrec.serving.keys import KeyFile, add_key
from graphrec.serving.messages import EventOut, EventsOut
from graphrec.serving.page_doors import page_files
from graphrec.serving.service import Service, ServiceSettings
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.state import LiveState
from graphrec.serving.store import EntryLog
from tests.worlds import small_dataset

DAY_S = 86_400
ROWS = [(1, "ann", "a"), (2, "ann", "b"), (DAY_S, "bob", "a"), (DAY_S + 1, "bob", "b")]
ROWS += [(2 * DAY_S, "eve", "a"), (2 * DAY_S + 1, "eve", "c"), (3 * DAY_S, "eve", "d")]


@pytest.fixture
def door(tmp_path):
    """A client of an app on a method, with keys or without; its log and engine beside."""
    opened = []

    def open_door(method="walk", keys=None, **settings):
        state = LiveState(fit_pipeline(small_dataset(ROWS), method_named(method, settings)))
        log = EntryLog(EntryLogSettings(url=f"sqlite:///{tmp_path}/{len(opened)}.sqlite"))
        engine = Engine(log, state, FollowingSettings(poll_s=0.02))
        engine.start()
        app = build_app(Doors(Service(log, engine, ServiceSettings(clock="log"))), keys)
        client = TestClient(app, raise_server_exceptions=False)
        client.__enter__()
        opened.append((client, engine, log))
        return client

    yield open_door
    for client, engine, log in opened:
        client.__exit__(None, None, None)
        engine.close()
        log.close()


def test_the_page_is_for_everybody_and_forbids_what_it_does_not_need(door, tmp_path):
    add_key(tmp_path / "keys.json", "shop", ["read"])
    client = door(keys=KeyFile(tmp_path / "keys.json"))
    index = client.get("/")
    assert index.status_code == 200 and index.headers["content-type"].startswith("text/html")
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in index.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'" and policy["require-trusted-types-for"]
    assert "unsafe" not in str(policy)
    assert index.headers["referrer-policy"] == "no-referrer"
    assert index.headers["x-content-type-options"] == "nosniff"
    for name, file in page_files().items():
        part = client.get(f"/page/{name}")
        assert part.status_code == 200 and part.content == file.body
        assert part.headers["content-security-policy"] == index.headers["content-security-policy"]
    assert client.get("/v1/admin/overview").status_code == 401
    assert client.get("/v1/users/ann/history").headers["x-content-type-options"] == "nosniff"


def test_a_file_is_sent_again_only_where_it_changed(door):
    client = door()
    tag = client.get("/page/page.css").headers["etag"]
    again = client.get("/page/page.css", headers={"If-None-Match": tag})
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == tag
    assert client.get("/page/page.css", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", ["nothing.js", "../app.py", "..%2Fapp.py", "%2Fetc%2Fpasswd"])
def test_nothing_but_the_pages_files_is_sent(door, name):
    assert door().get(f"/page/{name}").status_code == 404


def test_the_page_is_installed_whole_and_asks_nobody_else():
    folder = files("graphrec.serving").joinpath("page")
    assert {one.name for one in folder.iterdir()} == set(page_files())
    for name, file in page_files().items():
        text = file.body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text and "https:" not in text and "//cdn" not in text, name
        assert "innerHTML" not in text and "eval(" not in text and " style=" not in text, name
    project = Path(__file__).parents[2] / "pyproject.toml"
    data = tomllib.loads(project.read_text())["tool"]["setuptools"]["package-data"]["graphrec"]
    assert "serving/page/*" in data


def test_neighbours_have_weights_ages_and_links(door):
    client = door()
    told = client.get("/v1/items/a/neighbours?k=5").json()
    assert told["item"] == {"item_id": "a", "title": "a", "n_events": 3}
    found = {one["item_id"]: one for one in told["neighbours"]}
    # eve came to d a day after a, which is just near enough for a pair.
    assert list(found) == ["b", "c", "d"]
    assert found["b"]["weight"] == 2 and found["b"]["n_events"] == 2
    assert found["b"]["share"] == pytest.approx(2 / sum(n["weight"] for n in found.values()))
    # The newest pair a, b ended a second into day 1; the graph's newest event opens day 3.
    assert found["b"]["age_days"] == pytest.approx(2, abs=0.001)
    assert found["c"]["age_days"] == pytest.approx(1, abs=0.001)
    assert found["d"]["age_days"] == 0
    assert told["n_edges"] == len(told["neighbours"])
    places = [one["item_id"] for one in told["neighbours"]]
    links = {(places[one["source"]], places[one["target"]]) for one in told["links"]}
    assert links == {("c", "d")}
    assert client.get("/v1/items/a/neighbours?k=1").json()["n_edges"] == told["n_edges"]
    assert client.get("/v1/items/nope/neighbours").status_code == 404
    assert client.get("/v1/items/a/neighbours?k=0").status_code == 422


def test_neighbours_follow_events(door):
    client = door()
    body = {"event_type": "watch", "user_id": "zoe", "time_s": 3 * DAY_S}
    events = [body | {"event_id": "1", "item_id": "a"}, body | {"event_id": "2", "item_id": "new"}]
    events[1]["time_s"] += 1
    seq = client.post("/v1/events", json=events).json()["seq"]
    deadline = time.monotonic() + 5
    while (told := client.get("/v1/items/a/neighbours").json())["seq"] < seq:
        assert time.monotonic() < deadline
    assert told["item"]["n_events"] == 4
    fresh = next(one for one in told["neighbours"] if one["item_id"] == "new")
    assert fresh["age_days"] == 0 and fresh["weight"] == 1
    assert client.get("/v1/items/new/neighbours").json()["neighbours"] == []


def test_a_pipeline_without_co_watch_graph_says_so(door):
    client = door("popular")
    answer = client.get("/v1/items/a/neighbours")
    assert answer.status_code == 404 and "co-watch graph" in answer.json()["detail"]
    assert client.get("/v1/items/nope/neighbours").status_code == 404
    assert client.get("/v1/admin/overview").json()["sizes"]["edges"] is None


def test_overview_and_coverage_tell_of_what_was_asked(door):
    client = door()
    assert client.get("/v1/admin/coverage").json()["gini"] is None
    body = {"event_id": "1", "event_type": "watch", "user_id": "zoe", "item_id": "b"}
    client.post("/v1/events", json=[body, body | {"event_id": "2", "event_type": "no such"}])
    items = client.get("/v1/users/ann/recommendations?k=2").json()["items"]
    client.get("/v1/users/nobody/history")
    deadline = time.monotonic() + 10
    while not (told := client.get("/v1/admin/overview").json())["events"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert told["events"] == {"stored": 1, "refused": 1} and told["model"]["sources"] == ["walk"]
    assert told["answers"]["2xx"] >= 2 and told["answers"]["4xx"] == 1
    assert told["last_minute"]["freshness"]["p50_ms"] > 0 and told["sizes"]["edges"] > 0
    covered = client.get("/v1/admin/coverage").json()
    assert covered["n_slates"] == 1 and covered["n_places"] == covered["n_shown"] == len(items)
    assert covered["coverage"] == len(items) / covered["n_items"]
    assert covered["watched_by_rank"][0] == {"rank": 1, "n": 3}


def test_a_failure_is_counted_as_one(door, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    client = door()
    monkeypatch.setattr("graphrec.serving.service.Service.history", fail)
    assert client.get("/v1/users/ann/history").status_code == 500
    text = client.get("/metrics").text
    assert 'path="/v1/users/{user_id}/history",status="500"} 1.0' in text


class SeenUpTo:
    applied_seq = 0

    def wait_until(self, seq, timeout_s):
        return self.applied_seq >= seq


def test_freshness_is_told_once_for_each_call_when_its_newest_event_is_seen():
    engine, told = SeenUpTo(), []
    freshness = Freshness(engine, told.append)
    for seq, outcome in ((3, "stored"), (5, "stored"), (9, "repeated"), (None, "refused")):
        one = EventOut(event_id="e", outcome=outcome, seq=seq)
        freshness.recorded(EventsOut(results=[one], seq=seq))
    freshness.tell_visible()
    assert told == []
    engine.applied_seq = 4
    freshness.tell_visible()
    assert len(told) == 1 and 0 <= told[0] < 5
    engine.applied_seq = 9
    freshness.tell_visible()
    assert len(told) == 2
