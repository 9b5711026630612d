"""Bundles change under load over HTTP: no request fails, and what does not fit changes nothing."""

import threading
import time
import weakref

import httpx2 as httpx
import numpy as np
import pytest

from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import method_named
from graphrec.serving.bundling import train_bundle
from graphrec.serving.listening import BoundedConfig, OrderlyServer, bound_socket
from graphrec.serving.opening import ServeSettings, Start, opened
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.state_store import StateStore, StoreSettings
from graphrec.serving.store import EntryLog
from tests.worlds import small_dataset

ROWS = [(t, f"u{t % 7}", f"i{t * t % 23}") for t in range(1, 200)]


class Served:
    """A server on a small world, as `graphrec serve` opens it."""

    def __init__(self, folder):
        self.settings = ServeSettings(
            log=EntryLogSettings(url=f"sqlite:///{folder}/log.sqlite"),
            store=StoreSettings(folder=folder / "state"),
            service={"clock": "log"},
        )
        self.start = Start("start-1", "a small world", lambda: self.fit("walk")(self.data()))
        self.context = opened(self.start, self.settings)
        self.opened = self.context.__enter__()
        bound = bound_socket("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        self.server = OrderlyServer(BoundedConfig(self.opened.app, self.settings.listen))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [bound]})
        self.thread.start()
        self.client = httpx.Client(base_url=self.url, timeout=30)

    @staticmethod
    def data():
        return small_dataset(ROWS)

    @staticmethod
    def fit(method):
        return lambda dataset: fit_pipeline(dataset, method_named(method, {}))

    def bundle(self, name, method):
        with EntryLog(self.settings.log) as log:
            store = StateStore(self.settings.store)
            return train_bundle(name, self.data(), self.fit(method), log, store)

    def tell(self, number, user="u1", item="new"):
        body = {"event_id": f"e{number}", "event_type": "watch", "user_id": user, "item_id": item}
        answer = self.client.post("/v1/events", json=body)
        assert answer.status_code == 200, answer.text
        assert self.opened.engine.wait_until(answer.json()["seq"], 10)

    def slate(self, user="u3"):
        found = self.client.get(f"/v1/users/{user}/recommendations?k=5&seen=allow").json()
        return [(one["item_id"], one["score"]) for one in found["items"]]

    def close(self):
        self.client.close()
        self.server.should_exit = True
        self.thread.join()
        self.context.__exit__(None, None, None)


@pytest.fixture
def served(tmp_path):
    found = Served(tmp_path)
    yield found
    found.close()


def test_a_bundle_is_used_and_taken_back_under_load_without_a_failed_request(served):
    served.tell(1)
    served.bundle("better", "popular")
    stop, answers = threading.Event(), []

    def ask():
        with httpx.Client(base_url=served.url, timeout=30) as client:
            while not stop.is_set():
                paths = ("/v1/users/u2/recommendations?seen=allow", "/v1/users/u2/history")
                answers.extend(client.get(path).status_code for path in paths)

    def tell():
        with httpx.Client(base_url=served.url, timeout=30) as client:
            for number in range(10**6):
                if stop.is_set():
                    return
                body = {
                    "event_id": f"load-{number}",
                    "event_type": "watch",
                    "user_id": f"u{number % 7}",
                    "item_id": f"i{number % 23}",
                }
                answers.append(client.post("/v1/events", json=body).status_code)

    threads = [threading.Thread(target=work) for work in (ask, ask, tell)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            found = served.client.post("/v1/admin/reload", json={"bundle": "better"})
            assert found.status_code == 200, found.text
            told = found.json()
            assert (told["bundle"], told["before"]) == ("better", "start-1") and told["n_asked"] > 3
            back = served.client.post("/v1/admin/rollback")
            assert back.status_code == 200 and back.json()["bundle"] == "start-1"
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert len(answers) > 50 and set(answers) == {200}


def test_both_bundles_know_what_happened_before_and_after_the_change(served):
    served.tell(1, "ann", "i1")
    served.bundle("better", "popular")
    served.tell(2, "ann", "i2")
    assert served.client.post("/v1/admin/reload", json={"bundle": "better"}).status_code == 200
    served.tell(3, "ann", "i3")
    told = served.client.get("/v1/users/ann/history").json()["items"]
    assert [one["item_id"] for one in told] == ["i3", "i2", "i1"]
    names = served.client.get("/v1/admin/bundles").json()
    assert names["in_use"] == "better" and names["bundles"] == ["better", "start-1"]
    assert served.client.post("/v1/admin/rollback").status_code == 200
    told = served.client.get("/v1/users/ann/history").json()["items"]
    assert [one["item_id"] for one in told] == ["i3", "i2", "i1"]


def test_what_does_not_fit_changes_nothing_and_says_why(served):
    before = served.slate()
    unknown = served.client.post("/v1/admin/reload", json={"bundle": "none"})
    assert unknown.status_code == 404 and "no bundle 'none'" in unknown.json()["detail"]
    wrong = served.client.post("/v1/admin/reload", json={"bundle": "../x"})
    assert wrong.status_code == 422
    place, _ = served.bundle("broken", "popular")
    file = max(place.glob("*.npy"), key=lambda path: path.stat().st_size)
    file.write_bytes(file.read_bytes()[:-1])
    damaged = served.client.post("/v1/admin/reload", json={"bundle": "broken"})
    assert damaged.status_code == 409 and file.name in damaged.json()["detail"]
    nowhere = served.client.post("/v1/admin/rollback")
    assert nowhere.status_code == 404
    assert served.slate() == before
    assert served.client.get("/v1/admin/bundles").json()["in_use"] == "start-1"


def test_a_snapshot_is_kept_when_asked_and_the_next_start_goes_on_from_it(served):
    for number in range(5):
        served.tell(number, f"u{number}")
    kept = served.client.post("/v1/admin/snapshot").json()
    assert kept["seq"] == 5 and kept["held_s"] <= kept["took_s"]
    served.tell(9)
    with opened(served.start, served.settings) as again:
        assert again.n_replayed == 1 and again.model == "start-1"
        with again.engine.read() as state, served.opened.engine.read() as first:
            slates = [
                one.pipeline.recommend(one.pipeline.queries_of(np.arange(7, dtype=np.int32)), ask)
                for one, ask in zip((state, first), [_request()] * 2, strict=True)
            ]
    assert np.array_equal(slates[0].shown.item_row, slates[1].shown.item_row)
    assert np.array_equal(slates[0].shown.score, slates[1].shown.score)


def _request():
    from graphrec.pipeline import Request

    return Request(5, "allow")


def test_a_bundle_of_the_log_is_what_the_live_state_is(served):
    for number in range(30):
        served.tell(number, f"u{number % 4}", f"n{number % 6}")
    live = served.slate()
    served.bundle("same", "walk")
    found = served.client.post("/v1/admin/reload", json={"bundle": "same"}).json()
    assert found["overlap"] == 1.0
    trained = served.slate()
    assert [item for item, _ in trained] == [item for item, _ in live]
    assert [score for _, score in trained] == pytest.approx([score for _, score in live], rel=1e-5)


def test_a_state_that_is_used_no_more_is_let_go(served):
    served.tell(1)
    served.bundle("better", "popular")
    with served.opened.engine.hold() as back, served.opened.engine.read() as front:
        states = [weakref.ref(back), weakref.ref(front)]
        assert back is not front
    del back, front
    assert served.client.post("/v1/admin/reload", json={"bundle": "better"}).status_code == 200
    deadline = time.monotonic() + 10
    while any(state() is not None for state in states):
        assert time.monotonic() < deadline
        time.sleep(0.05)
