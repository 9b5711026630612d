"""A service on a log in a folder, with what tests ask of it."""

from fastapi.testclient import TestClient

from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import method_named
from graphrec.serving.app import Doors, DoorSettings, build_app
from graphrec.serving.following import Engine, FollowingSettings
from graphrec.serving.service import Service, ServiceSettings
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.state import LiveState
from graphrec.serving.store import EntryLog
from tests.worlds import small_dataset

NOW = 1000.0
LETTERS = "abcdefghij"
# ann watched a; everybody else a and one more, so that each item is worth showing to her.
ROWS = [(1, "ann", "a")] + [
    (2 + 2 * n + m, f"user {item}", both)
    for n, item in enumerate(LETTERS[1:])
    for m, both in enumerate(("a", item))
]
ITEMS = {
    "item_id": list(LETTERS),
    "publisher": [["Post"]] * 5 + [["Mail"]] * 5,
    "keywords": [["tea"]] * 5 + [["oil"]] * 5,
    "published_s": [1, 1, 1, 1, 1, 1, 1, 1, 1, 900],
}


class House:
    """A service on walks, which can be closed and opened again."""

    def __init__(self, folder, *, keys=None, door=None, slate=None, rows=ROWS, **settings):
        dataset = small_dataset(rows, ITEMS if rows is ROWS else None)
        state = LiveState(fit_pipeline(dataset, method_named("walk", {}), slate=slate))
        self.log = EntryLog(EntryLogSettings(url=f"sqlite:///{folder}/log.sqlite"))
        self.engine = Engine(self.log, state, FollowingSettings(poll_s=0.02))
        self.engine.catch_up()
        self.engine.start()
        self.service = Service(
            self.log, self.engine, ServiceSettings(**settings), clock=lambda: NOW
        )
        self.app = build_app(Doors(self.service), keys, door or DoorSettings())
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def close(self):
        self.engine.close()
        self.log.close()

    def get(self, path, status=200, **params):
        answer = self.client.get(path, params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path, body, status=200):
        answer = self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def seen(self, answer):
        assert self.engine.wait_until(answer["seq"], 5)

    def watch(self, number, user, item):
        self.seen(
            self.post(
                "/v1/events",
                {
                    "event_id": f"e{number}",
                    "event_type": "watch",
                    "user_id": user,
                    "item_id": item,
                },
            )
        )


def shown(slate):
    return [one["item_id"] for one in slate["items"]]
