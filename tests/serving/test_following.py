"""The engine follows a log: in order, past what cannot be learnt, and readers see whole batches."""

import json
import sys
import threading
import time
from dataclasses import dataclass

import pytest

from graphrec.errors import DataError, UnknownIdError
from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import method_named
from graphrec.pipeline import Request
from graphrec.serving.following import Engine, FollowingSettings
from graphrec.serving.state import LiveState
from tests.worlds import small_dataset

DAY_S = 86_400


@dataclass
class Said:
    seq: int
    body: str
    kind: str = "event"
    time_s: int = 10
    key: str = "e"


class ListLog:
    """A log in memory, which can fail."""

    def __init__(self):
        self.entries, self.error = [], None

    def say(self, user, item, *, kind="event", event_type="watch", time_s=None):
        body = {"event_type": event_type, "user_id": user, "item_id": item}
        seq = len(self.entries) + 1
        at = 10 + seq if time_s is None else time_s
        self.entries.append(Said(seq, json.dumps(body), kind, at))
        return seq

    def read(self, after_seq=0, limit=1000):
        if self.error is not None:
            raise self.error
        return [entry for entry in self.entries if entry.seq > after_seq][:limit]


def a_state():
    dataset = small_dataset([(1, "ann", "a"), (2, "ann", "b"), (3, "bob", "a")])
    return LiveState(fit_pipeline(dataset, method_named("walk", {})))


def ageing_state(n_days):
    """A state whose edges halve each day, and one that was learnt so many days later."""
    words = {"graph": {"ageing": {"mode": "expected", "period_days": 1, "survival": 0.5}}}
    events = [(1, "ann", "a"), (2, "ann", "b"), (3, "bob", "a"), (4, "bob", "c")]
    dataset = small_dataset(events)
    method = method_named("propagate", words)
    return LiveState(fit_pipeline(dataset, method)), fit_pipeline(dataset, method, n_days * DAY_S)


def weights_of(pipeline):
    return pipeline._source.walk_graph.unsharpened_edges().weight.tolist()


def past_of(engine, user, n=9):
    with engine.read() as state:
        queries = state.pipeline.queries_of_keys([user])
        return [one.item_id for one in state.pipeline.past(queries, 0, limit=n)]


def test_what_is_appended_is_seen_by_whoever_asks_next():
    log = ListLog()
    engine = Engine(log, a_state(), FollowingSettings(poll_s=30))
    engine.start()
    try:
        seq = log.say("ann", "c")
        engine.poke()
        assert engine.wait_until(seq, 5)
        assert past_of(engine, "ann") == ["c", "b", "a"]
        with pytest.raises(DataError, match="started already"):
            engine.start()
    finally:
        engine.close()
    assert not engine.wait_until(seq + 1, 0.01)


def test_what_others_append_is_seen_without_a_poke():
    log = ListLog()
    engine = Engine(log, a_state(), FollowingSettings(poll_s=0.01))
    engine.start()
    try:
        assert engine.wait_until(log.say("bob", "b"), 5)
        assert past_of(engine, "bob") == ["b", "a"]
    finally:
        engine.close()


@pytest.mark.parametrize("most", [1, 2, 1000])
def test_an_entry_that_cannot_be_learnt_is_skipped_and_those_around_it_are_learnt(most):
    log = ListLog()
    log.say("ann", "c")
    log.say("ann", "d", event_type="wach")
    log.say(7, "d")
    log.entries.append(Said(4, '{"user_id": "ann"}'))
    log.entries.append(Said(5, '{"half": '))
    log.say("ann", "e", kind="model")
    log.say("ann", "f")
    engine = Engine(log, a_state(), FollowingSettings(most_entries=most))
    assert engine.catch_up() == 7
    assert engine.applied_seq == 7
    assert past_of(engine, "ann") == ["f", "c", "b", "a"]
    assert [seq for seq, _ in engine.skipped] == [2, 3, 4, 5] and engine.n_skipped == 4
    assert "no event type 'wach'" in engine.skipped[0][1]


def test_an_event_that_breaks_a_stage_half_way_is_not_seen_and_those_around_it_are():
    log = ListLog()
    for item in ("c", "bad", "d"):
        log.say("ann", item)
    state = a_state()
    engine = Engine(log, state)
    learn = type(state).apply

    def break_off(self, events):
        learn(self, events)
        if any(event.item_id == "bad" for event in events):
            raise ValueError("a stage is out of order")

    try:
        type(state).apply = break_off
        engine.catch_up()
    finally:
        type(state).apply = learn
    assert past_of(engine, "ann") == ["d", "c", "b", "a"]
    assert [seq for seq, _ in engine.skipped] == [2]
    with engine.read() as now:
        assert "bad" not in now.pipeline.dataset.ids["item"]


def test_a_log_that_fails_is_read_again_when_it_is_back():
    log = ListLog()
    log.error = DataError("the disk is gone")
    engine = Engine(log, a_state(), FollowingSettings(poll_s=0.01, retry_s=0.01))
    engine.start()
    try:
        deadline = time.monotonic() + 5
        while engine.failure is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert past_of(engine, "ann") == ["b", "a"]
        log.error = None
        assert engine.wait_until(log.say("ann", "c"), 5)
        assert past_of(engine, "ann") == ["c", "b", "a"]
    finally:
        engine.close()


@pytest.fixture
def short_turns():
    """Threads that compute without a pause leave the others their turn sooner."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(usual)


def test_readers_at_full_speed_see_every_batch_whole(short_turns):
    log, torn, stop = ListLog(), [], threading.Event()
    engine = Engine(log, a_state(), FollowingSettings(poll_s=0.001, most_entries=2))

    def look():
        while not stop.is_set():
            with engine.read() as state:
                queries = state.pipeline.queries_of_keys(["ann", "bob"])
                of_ann, of_bob = (len(state.pipeline.past(queries, q, limit=10**6)) for q in (0, 1))
            # Each batch tells of both, and ann was one ahead.
            if of_ann != of_bob + 1:
                torn.append((of_ann, of_bob))

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(60):
        log.say("ann", f"item {n % 7}")
        log.say("bob", f"item {n % 5}")
        engine.catch_up()
    stop.set()
    for reader in readers:
        reader.join()
    assert torn == [] and engine.n_skipped == 0
    assert len(past_of(engine, "bob", 10**6)) == 61


def test_an_engine_that_starts_behind_a_number_reads_on_from_there():
    log = ListLog()
    log.say("ann", "c")
    log.say("ann", "d")
    state = a_state()
    state.seq = 1
    engine = Engine(log, state)
    assert engine.catch_up() == 1
    assert past_of(engine, "ann") == ["d", "b", "a"]


@pytest.mark.parametrize("most", [1, 1000])
def test_a_user_who_is_forgotten_is_as_if_they_had_never_come(most):
    log = ListLog()
    log.say("ann", "c")
    log.entries.append(Said(2, "{}", "user_deleted", key="ann"))
    log.entries.append(Said(3, "{}", "user_deleted", key="nobody"))
    log.say("bob", "d")
    engine = Engine(log, a_state(), FollowingSettings(most_entries=most))
    engine.catch_up()
    with pytest.raises(UnknownIdError):
        past_of(engine, "ann")
    assert past_of(engine, "bob") == ["d", "a"]
    log.say("ann", "e")
    engine.catch_up()
    assert past_of(engine, "ann") == ["e"]


def test_a_state_is_adopted_once_it_knows_what_the_one_in_use_knows():
    log = ListLog()
    engine = Engine(log, a_state(), FollowingSettings(most_entries=2))
    for item in ("c", "d", "e"):
        log.say("ann", item)
    engine.catch_up()
    log.say("ann", "f")
    with engine.read() as old:
        engine.adopt(engine.prepare(a_state()))
        assert old.seq == 3
    with engine.read() as new:
        assert new is not old and new.seq in (3, 4)
    engine.catch_up()
    assert past_of(engine, "ann") == ["f", "e", "d", "c", "b", "a"]


def test_what_is_learnt_while_a_state_is_adopted_is_not_lost():
    log = ListLog()
    engine = Engine(log, a_state(), FollowingSettings(poll_s=0.001, most_entries=1))
    engine.start()
    try:
        for number in range(60):
            seq = log.say("ann", f"i{number}")
            engine.poke()
            if number % 20 == 10:
                engine.adopt(engine.prepare(a_state()))
        assert engine.wait_until(seq, 20)
        expected = [f"i{number}" for number in reversed(range(60))]
        assert past_of(engine, "ann", 60) == expected
    finally:
        engine.close()


def test_nothing_is_learnt_while_the_state_is_held_and_readers_go_on():
    log = ListLog()
    engine = Engine(log, a_state(), FollowingSettings(poll_s=0.001))
    engine.start()
    try:
        with engine.hold() as held:
            seq = log.say("ann", "c")
            engine.poke()
            assert not engine.wait_until(seq, 0.05)
            with engine.read() as read:
                assert read is not held and read.seq == held.seq == 0
        assert engine.wait_until(seq, 5)
    finally:
        engine.close()


def test_many_ask_one_state_at_once_while_it_changes(short_turns):
    log = ListLog()
    engine = Engine(log, a_state(), FollowingSettings(poll_s=0.005))
    engine.start()
    asking, most, lock, stop = [], [], threading.Lock(), threading.Event()
    failures = []

    def question():
        while not stop.is_set():
            with engine.read() as state:
                with lock:
                    asking.append(id(state))
                    most.append(asking.count(id(state)))
                pipeline = state.pipeline
                slate = pipeline.recommend(pipeline.queries_of_keys(["ann"]), Request(3, "allow"))
                told = [one.item_id for one in pipeline.describe(slate, 0)]
                wrong = [note for note in slate.notes if "topped up" not in note]
                if not told or wrong:
                    failures.append((told, wrong))
                with lock:
                    asking.remove(id(state))

    threads = [threading.Thread(target=question) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for n in range(200):
            seq = log.say(f"user {n % 9}", f"item {n % 13}")
            engine.poke()
        assert engine.wait_until(seq, 20)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        engine.close()
    assert failures == [] and engine.n_skipped == 0
    assert max(most) > 1


def test_time_passes_for_both_states_though_nothing_happens():
    state, later = ageing_state(3)
    before = weights_of(state.pipeline)
    settings = FollowingSettings(poll_s=0.005, age_every_s=0.01)
    engine = Engine(ListLog(), state, settings, clock=lambda: 3.0 * DAY_S)
    engine.start()
    try:
        deadline = time.monotonic() + 5
        while any(weights_of(one.pipeline) == before for one in engine._learning._states._sides):
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        engine.close()
    for one in engine._learning._states._sides:
        assert weights_of(one.pipeline) == pytest.approx(weights_of(later))


def test_without_a_clock_no_time_passes():
    state, _ = ageing_state(3)
    before = weights_of(state.pipeline)
    engine = Engine(ListLog(), state, FollowingSettings(poll_s=0.001, age_every_s=0.001))
    engine.start()
    time.sleep(0.05)
    engine.close()
    assert all(weights_of(one.pipeline) == before for one in engine._learning._states._sides)


def test_time_passes_as_often_as_it_is_due():
    state, _ = ageing_state(3)
    looked = []
    settings = FollowingSettings(poll_s=0.001, age_every_s=60)
    engine = Engine(ListLog(), state, settings, clock=lambda: looked.append(1) or 3.0 * DAY_S)
    engine.start()
    time.sleep(0.1)
    engine.close()
    assert len(looked) == 1


def test_a_state_that_cannot_age_still_learns():
    def broken():
        raise OSError("no clock")

    log = ListLog()
    engine = Engine(log, a_state(), FollowingSettings(poll_s=0.005), clock=broken)
    engine.start()
    try:
        assert engine.wait_until(log.say("ann", "c"), 5)
        time.sleep(0.02)
        assert engine.wait_until(log.say("ann", "d"), 5)
    finally:
        engine.close()
    assert past_of(engine, "ann") == ["d", "c", "b", "a"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("item", "{}"),
        ("item", '{"item_id": "x", "title": 7}'),
        ("item", '{"item_id": "x", "publishers": "P"}'),
        ("item", '{"item_id": "x", "keywords": [1]}'),
        ("item", '{"item_id": "x", "published_s": "soon"}'),
        ("item", '{"item_id": 7}'),
        ("item_deleted", "[]"),
        ("user", '{"user_id": "x"}'),
        ("user", '{"user_id": "x", "properties": 7}'),
    ],
)
def test_descriptions_that_cannot_be_read_are_skipped_and_change_nothing(kind, body):
    log = ListLog()
    log.entries.append(Said(1, body, kind))
    log.say("ann", "c")
    engine = Engine(log, a_state())
    engine.catch_up()
    assert [seq for seq, _ in engine.skipped] == [1]
    with engine.read() as state:
        ids = state.pipeline.dataset.ids
        assert "x" not in ids["item"] and "x" not in ids["user"] and not state.properties
    assert past_of(engine, "ann") == ["c", "b", "a"]
