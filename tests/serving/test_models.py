"""Snapshots beside the traffic, and bundles put to use and taken back without a failed request."""

import threading
import time

import pytest

from graphrec.errors import NoBundleError, SnapshotError, TrialError
from graphrec.serving.entries import NewEntry, canonical_json
from graphrec.serving.following import Engine, FollowingSettings
from graphrec.serving.keeping import Keeper
from graphrec.serving.models import Models, Trial
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.state_files import Origin, write_down
from graphrec.serving.state_store import StateStore, StoreSettings
from graphrec.serving.store import EntryLog
from tests.serving.states import slates_of, small_state

FINE = Trial(1, (), 1.0, 1.0)


class House:
    """A log, a store with the bundles `start` and `other`, and processes that follow."""

    def __init__(self, folder):
        self.log = EntryLog(EntryLogSettings(url=f"sqlite:///{folder}/log.sqlite"))
        self.store = StateStore(StoreSettings(folder=folder / "state", kept=2))
        for name, method in (("start", "walk"), ("other", "popular")):
            self.store.write_bundle(write_down(small_state(name, method), Origin(name, None, 0)))
        self.trial = FINE
        self.parts = []

    def process(self):
        named = self.log.newest("model", 1)
        name = named[0].key if named else "start"
        state = self.store.newest_state(name, self.log.log_id, self.log.last_seq)
        engine = Engine(self.log, state, FollowingSettings(poll_s=0.005, most_entries=3))
        self.n_replayed = engine.catch_up()
        models = Models(engine, self.store, self.log, lambda learning: self.trial, lambda: 9.0)
        keeper = Keeper(engine, self.store, self.log.log_id)
        for part in (keeper, models, engine):
            part.start()
            self.parts.append(part)
        return engine, models, keeper

    def tell(self, number, user="ann", item="new"):
        body = canonical_json({"event_type": "watch", "user_id": user, "item_id": item})
        [receipt] = self.log.append([NewEntry("event", f"e{number}", 500 + number, body, user)])
        return receipt.seq

    def close(self):
        while self.parts:
            self.parts.pop().close()


@pytest.fixture
def house(tmp_path):
    found = House(tmp_path)
    yield found
    found.close()
    found.log.close()


def slates(engine):
    with engine.read() as state:
        return slates_of(state)


def test_a_bundle_is_used_with_all_that_happened_and_taken_back(house):
    engine, models, _ = house.process()
    assert engine.wait_until(house.tell(1), 5)
    before = slates(engine)
    assert models.use("other", 10) == FINE and models.in_use == "other"
    assert slates(engine) != before
    assert engine.wait_until(house.tell(2, item="newer"), 5)
    models.use(models.previous(), 10)
    assert models.in_use == "start" and models.previous() == "other"
    assert engine.wait_until(house.tell(3), 5)
    alone = small_state()
    for number, item in ((1, "new"), (2, "newer"), (3, "new")):
        alone.apply([_event(number, item)])
    assert slates(engine) == slates_of(alone)


def _event(number, item):
    from graphrec.serving.state import LiveEvent

    return LiveEvent(500 + number, "watch", "ann", item)


def test_every_process_that_follows_the_log_obeys_and_so_does_one_that_starts_later(house):
    engine, models, _ = house.process()
    other_engine, other_models, _ = house.process()
    models.use("other", 10)
    with other_models._changed:
        assert other_models._changed.wait_for(lambda: other_models.in_use == "other", 10)
    seq = house.tell(1)
    assert engine.wait_until(seq, 5) and other_engine.wait_until(seq, 5)
    assert slates(engine) == slates(other_engine)
    late_engine, late_models, _ = house.process()
    assert late_models.in_use == "other" and slates(late_engine) == slates(engine)


def test_a_bundle_that_fails_its_trial_changes_nothing_and_is_not_in_the_log(house):
    engine, models, _ = house.process()
    before = slates(engine)
    house.trial = Trial(4, ("ranking failed", "empty"), 0.5, 1.0)
    with pytest.raises(TrialError, match=r"failed 2 of 4 .* ranking failed"):
        models.use("other", 10)
    assert models.in_use == "start" and slates(engine) == before
    assert house.log.newest("model", 1) == []


def test_damaged_unknown_and_foreign_bundles_are_refused(house):
    engine, models, _ = house.process()
    before = slates(engine)
    with pytest.raises(NoBundleError, match="no bundle 'third'"):
        models.use("third", 10)
    place = house.store.folder / "bundles" / "other"
    file = next(place.glob("*.npy"))
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(SnapshotError, match="damaged"):
        models.use("other", 10)
    for log_id, seq in (("another", 0), (house.log.log_id, 99)):
        house.store.write_bundle(write_down(small_state("far"), Origin("far", log_id, seq)))
        with pytest.raises(SnapshotError, match="bundle far knows log"):
            models.use("far", 10)
    assert models.in_use == "start" and slates(engine) == before


def test_there_is_nothing_to_go_back_to_at_first(house):
    _, models, _ = house.process()
    with pytest.raises(NoBundleError, match="no bundle before start"):
        models.previous()


def test_one_bundle_at_a_time(house):
    _, models, _ = house.process()
    inside, go_on = threading.Event(), threading.Event()

    def slow(learning):
        inside.set()
        go_on.wait(10)
        return FINE

    models._trial = slow
    first = threading.Thread(target=models.use, args=("other", 10))
    first.start()
    assert inside.wait(10)
    with pytest.raises(TrialError, match="another bundle"):
        models.use("start", 10)
    go_on.set()
    first.join()
    assert models.in_use == "other"


def test_readers_never_fail_and_never_see_half_a_change_while_bundles_change(house):
    engine, models, _ = house.process()
    stop, faults, n_asked = threading.Event(), [], [0]

    def read():
        while not stop.is_set():
            try:
                with engine.read() as state:
                    model, seq = state.model, state.seq
                    slates_of(state)
                    assert (state.model, state.seq) == (model, seq)
                n_asked[0] += 1
            except Exception as error:  # noqa: BLE001 — whatever it is, it is at fault
                faults.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(6):
        house.tell(number)
        models.use(("other", "start")[number % 2], 10)
    stop.set()
    reader.join()
    assert not faults and n_asked[0] > 5


def test_a_start_reads_the_newest_snapshot_and_only_what_came_after_it(house):
    engine, _, keeper = house.process()
    for number in range(10):
        seq = house.tell(number, user=f"u{number % 3}")
    assert engine.wait_until(seq, 5)
    kept = keeper.keep()
    assert kept.seq == seq and kept.place.is_dir()
    seq = house.tell(11)
    assert engine.wait_until(seq, 5)
    after = slates(engine)
    again, _, _ = house.process()
    assert house.n_replayed == 1 and slates(again) == after


def test_what_is_new_is_kept_at_the_end_and_nothing_twice(house):
    engine, _, keeper = house.process()
    assert engine.wait_until(house.tell(1), 5)
    house.close()
    assert house.store.newest_seq("start") == 1
    house.process()
    assert house.n_replayed == 0
    assert keeper.keep_if_new() is None


def test_a_snapshot_of_the_bundle_in_use_is_found_after_a_change(house):
    engine, models, keeper = house.process()
    models.use("other", 10)
    assert engine.wait_until(house.tell(1), 5)
    keeper.keep()
    assert house.store.newest_seq("other") == engine.applied_seq
    assert house.store.newest_seq("start") is None
    _, models_again, _ = house.process()
    assert house.n_replayed == 0 and models_again.in_use == "other"


def test_after_many_entries_a_snapshot_is_kept_before_its_time(house):
    house.store = StateStore(StoreSettings(folder=house.store.folder, every_entries=5))
    _, _, keeper = house.process()
    for number in range(4):
        house.tell(number)
    time.sleep(1.5)
    assert keeper.last is None
    seq = house.tell(5)
    deadline = time.monotonic() + 10
    while house.store.newest_seq("start") != seq:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kept = keeper.last
    time.sleep(1.5)
    assert keeper.last is kept


def test_a_disk_that_refuses_a_snapshot_is_told_and_the_next_one_is_kept(house, monkeypatch):
    engine, _, keeper = house.process()
    assert engine.wait_until(house.tell(1), 5)

    def refuse(*_):
        raise SnapshotError("no room on the disk")

    monkeypatch.setattr(house.store, "write_snapshot", refuse)
    keeper._try()
    assert "no room" in keeper.failure
    monkeypatch.undo()
    keeper._try()
    assert keeper.failure is None and house.store.newest_seq("start") == 1
