"""A server on a real socket, in a thread of the test, and raw connections to it."""

import json
import socket
import threading
import time

import httpx2 as httpx

from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import method_named
from graphrec.serving.app import Doors, DoorSettings, build_app
from graphrec.serving.following import Engine, FollowingSettings
from graphrec.serving.listening import BoundedConfig, ListenSettings, OrderlyServer, bound_socket
from graphrec.serving.service import Service, ServiceSettings
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.state import LiveState
from graphrec.serving.store import EntryLog
from tests.worlds import small_dataset

ROWS = [(1, "ann", "a"), (2, "ann", "b"), (3, "bob", "a"), (4, "bob", "c"), (5, "eve", "c")]


class LiveServer:
    """A small world behind a real socket."""

    def __init__(self, url, *, keys=None, door=None, listen=None, clock=time.time, **log):
        state = LiveState(fit_pipeline(small_dataset(ROWS), method_named("walk", {})))
        settings = EntryLogSettings(**{"url": url, "patience_s": 0.2, "lock_timeout_s": 0.2} | log)
        self.log = EntryLog(settings)
        self.engine = Engine(self.log, state, FollowingSettings(poll_s=0.02, retry_s=0.05))
        self.engine.catch_up()
        self.engine.start()
        service = Service(self.log, self.engine, ServiceSettings(), clock=clock)
        self.app = build_app(Doors(service), keys, door or DoorSettings())
        self.socket = bound_socket("127.0.0.1", 0)
        self.port = self.socket.getsockname()[1]
        self.server = OrderlyServer(BoundedConfig(self.app, listen or ListenSettings()))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def __enter__(self):
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.client.close()
        self.server.should_exit = True
        self.thread.join()
        self.engine.close()
        self.log.close()

    def connect(self):
        """A raw connection, which waits ten seconds for an answer at most."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def tell(self, number, **more):
        return self.client.post("/v1/events", json=event(number, **more))

    def contents(self):
        """What could have changed: the log's entries, and who and what is known of them."""
        assert self.engine.wait_until(self.log.last_seq(), 20)
        with self.engine.read() as state:
            known = [len(state.pipeline.dataset.ids[kind]) for kind in ("user", "item")]
            known.append(state.pipeline.cut_s)
        past = self.client.get("/v1/users/ann/history").json()["items"]
        return [entry for chunk in self.log.chunks() for entry in chunk], known, past

    def assert_takes_good_events(self, number="good"):
        """An event is stored and the next history knows of it."""
        answer = self.tell(number, user_id=f"user {number}", item_id="a")
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"][0]["outcome"] == "stored"
        assert self.engine.wait_until(answer.json()["seq"], 20)
        past = self.client.get(f"/v1/users/user {number}/history").json()["items"]
        assert [one["item_id"] for one in past] == ["a"]


def event(number, **more):
    return {
        "event_id": f"e{number}",
        "event_type": "watch",
        "user_id": "ann",
        "item_id": "d",
    } | more


def head(path="/v1/events", method="POST", **headers):
    """The head of a request; `content_length=7` becomes `content-length: 7`."""
    lines = [f"{method} {path} HTTP/1.1", "host: here"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def answer_of(connection):
    """Status, headers and JSON body of the answer on a raw connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection, data)
    top, _, body = data.partition(b"\r\n\r\n")
    status_line, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    while len(body) < int(headers["content-length"]):
        body += _more(connection, data + body)
    return int(status_line.split()[1]), headers, json.loads(body)


def ends(connection):
    """Whether the server closes a raw connection within its timeout."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def assert_problem(answer, status):
    """That it is a whole problem document of a status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status and document["title"] and document["detail"]
    return document


def _more(connection, so_far):
    data = connection.recv(65536)
    assert data, f"the connection ended after {so_far!r}"
    return data
