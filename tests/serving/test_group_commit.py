"""Many callers share commits, wait in a bounded queue, and each learns their own end."""

import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError

import pytest

from graphrec.errors import OverloadedError, StoreError, StoreFullError
from graphrec.serving.entries import Forgotten, Receipt
from graphrec.serving.group_commit import GroupCommit
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.writing import Answer, Batch, Forget, Work
from tests.serving.made_entries import event, events


class Disk:
    """Takes groups; stands still while its gate is shut."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.groups: list[list[Work]] = []
        self.error: Exception | None = None

    def commit(self, group: Sequence[Work]) -> list[Answer]:
        self.groups.append(list(group))
        self.entered.release()
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return [
            [Receipt("stored", i) for i in range(len(work.entries))]
            if isinstance(work, Batch)
            else Forgotten(1, 0)
            for work in group
        ]


def batch(n: int = 1) -> Batch:
    return Batch(tuple(events(n)), 0)


@pytest.fixture
def disk():
    disk = Disk()
    yield disk
    disk.gate.set()


@pytest.fixture
def open_queue(disk: Disk):
    queues = []

    def open_with(**settings: int) -> GroupCommit:
        queues.append(GroupCommit(disk.commit, EntryLogSettings(**settings), "a place"))
        return queues[-1]

    yield open_with
    disk.gate.set()
    for queue in queues:
        queue.close()


def test_what_gathers_during_a_commit_goes_in_the_next_one(disk: Disk, open_queue):
    queue = open_queue()
    futures = [queue.submit(batch())]
    disk.entered.acquire()
    futures += [queue.submit(batch(2)) for _ in range(9)]
    disk.gate.set()
    assert [len(future.result(10)) for future in futures] == [1] + [2] * 9
    assert [len(group) for group in disk.groups] == [1, 9]


def test_a_group_takes_no_batch_beyond_its_limit_and_tears_none(disk: Disk, open_queue):
    queue = open_queue(group_entries=5)
    futures = [queue.submit(batch())]
    disk.entered.acquire()
    futures += [queue.submit(batch(n)) for n in (3, 2, 1, 5, 4)]
    disk.gate.set()
    for future in futures:
        future.result(10)
    sizes = [[len(work.entries) for work in group] for group in disk.groups]
    assert sizes == [[1], [3, 2], [1], [5], [4]]


def test_a_full_queue_refuses_with_a_wait_and_takes_more_later(disk: Disk, open_queue):
    queue = open_queue(queue_entries=10)
    taken = [queue.submit(batch(4)), queue.submit(batch(6))]
    with pytest.raises(OverloadedError, match=r"10 entries of .* wait already, of 10") as caught:
        queue.submit(batch())
    assert 0.05 <= caught.value.wait_s <= 60
    assert f"{caught.value.wait_s:.2f} s" in str(caught.value)
    disk.gate.set()
    assert [len(future.result(10)) for future in taken] == [4, 6]
    assert len(queue.submit(batch(10)).result(10)) == 10
    assert sum(len(work.entries) for group in disk.groups for work in group) == 20


def test_bodies_count_in_bytes(open_queue):
    queue = open_queue(queue_bytes=1024)
    queue.submit(Batch((event("e", text="ж" * 400),), 0))
    with pytest.raises(OverloadedError, match="and 1024 bytes"):
        queue.submit(Batch((event("e", text="ж" * 100),), 0))


def test_a_caller_who_waited_finds_room_at_once(disk: Disk, open_queue):
    disk.gate.set()
    queue = open_queue(queue_entries=3)
    for _ in range(300):
        queue.submit(batch(3)).result(10)


def test_one_batch_larger_than_the_queue_is_taken_alone(disk: Disk, open_queue):
    disk.gate.set()
    assert len(open_queue(queue_entries=3).submit(batch(7)).result(10)) == 7


def test_what_was_cancelled_in_the_queue_is_not_written(disk: Disk, open_queue):
    queue = open_queue(queue_entries=3)
    first = queue.submit(batch())
    disk.entered.acquire()
    second = queue.submit(batch(2))
    assert second.cancel()
    assert not first.cancel()
    disk.gate.set()
    assert len(first.result(10)) == 1
    with pytest.raises(CancelledError):
        second.result(10)
    assert len(queue.submit(batch(3)).result(10)) == 3
    assert [len(group) for group in disk.groups] == [1, 1]


@pytest.mark.parametrize("error", [StoreFullError("full"), MemoryError("odd")])
def test_all_callers_of_a_failed_commit_are_told_and_the_next_one_goes_on(
    error: Exception, disk: Disk, open_queue
):
    queue = open_queue()
    disk.error = error
    futures = [queue.submit(batch())]
    disk.entered.acquire()
    futures += [queue.submit(batch()), queue.submit(Forget("ann", 0))]
    disk.gate.set()
    told = [future.exception(10) for future in futures]
    assert [(type(one), str(one)) for one in told] == [(type(error), str(error))] * 3
    assert len(set(map(id, told))) == (3 if isinstance(error, StoreError) else 1)
    assert [len(group) for group in disk.groups] == [1, 2]
    disk.error = None
    assert len(queue.submit(batch()).result(10)) == 1


def test_after_an_error_of_no_known_kind_each_is_tried_alone(disk: Disk, open_queue):
    queue = open_queue()
    disk.error = StoreError("refused")
    futures = [queue.submit(batch())]
    disk.entered.acquire()
    futures += [queue.submit(batch()) for _ in range(3)]
    disk.gate.set()
    assert all(isinstance(future.exception(10), StoreError) for future in futures)
    assert [len(group) for group in disk.groups] == [1, 3, 1, 1, 1]


def test_the_suggested_wait_follows_the_speed_of_the_disk(disk: Disk, open_queue):
    queue = open_queue(queue_entries=1000, group_entries=500)
    queue.submit(batch(500))
    disk.entered.acquire()
    threading.Timer(0.5, disk.gate.set).start()
    disk.gate.wait(10)
    disk.gate.clear()
    queue.submit(batch(500))
    disk.entered.acquire()
    queue.submit(batch(500))
    with pytest.raises(OverloadedError) as caught:
        queue.submit(batch())
    assert 0.5 < caught.value.wait_s < 3
