"""What is appended is there once, in order, whoever reads."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from graphrec.errors import DataError, StoreClosedError, StoreDamagedError
from graphrec.serving.entries import Entry, Receipt
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.store import EntryLog
from tests.serving.conftest import OpenLog
from tests.serving.made_entries import event, events, put


def keys_of(log: EntryLog) -> list[str]:
    return [entry.key for entry in log.read(limit=100_000)]


def test_an_empty_log_has_nothing_to_read(log: EntryLog):
    assert log.read() == []
    assert list(log.chunks()) == []
    assert (log.count(), log.last_seq()) == (0, 0)
    assert log.append([]) == []


def test_entries_come_back_as_they_were_given_in_their_order(url: str):
    with EntryLog(EntryLogSettings(url=url), clock=lambda: 1_800_000_000.9) as log:
        receipts = log.append([event("e1", user="Äñ 😀"), put("item", "tea", title="Tea")])
        assert receipts == [Receipt("stored", 1), Receipt("stored", 2)]
        body = '{"item":"tea","user":"Äñ 😀"}'
        expected = [
            Entry(1, "event", "e1", "Äñ 😀", 1_700_000_000, 1_800_000_000, body),
            Entry(2, "item", "tea", None, 1_700_000_001, 1_800_000_000, '{"title":"Tea"}'),
        ]
        assert log.read() == expected
    with EntryLog(EntryLogSettings(url=url)) as again:
        assert again.read() == expected
        assert again.append([event("e2")]) == [Receipt("stored", 3)]


def test_an_event_sent_again_is_repeated_and_another_under_its_id_conflicts(log: EntryLog):
    log.append([event("e0"), event("e1", n=1)])
    assert log.append([event("e1", n=1), event("e1", n=2), event("e2")]) == [
        Receipt("repeated", 2),
        Receipt("conflicting", 2),
        Receipt("stored", 3),
    ]
    assert keys_of(log) == ["e0", "e1", "e2"]


def test_repeats_and_conflicts_are_found_within_one_batch(log: EntryLog):
    assert log.append([event("e", n=1), event("e", n=1), event("e", n=2)]) == [
        Receipt("stored", 1),
        Receipt("repeated", 1),
        Receipt("conflicting", 1),
    ]
    assert log.count() == 1


def test_events_and_impressions_of_one_id_are_two_entries(log: EntryLog):
    receipts = log.append([event("x"), put("impression", "x", shown=["tea"])])
    assert [receipt.outcome for receipt in receipts] == ["stored", "stored"]
    assert log.append([put("impression", "x", shown=["tea"])]) == [Receipt("repeated", 2)]


def test_items_and_users_are_written_anew_each_time(log: EntryLog):
    same = [put("item", "tea", title="Tea"), put("user", "ann"), put("item_deleted", "tea")]
    log.append(same)
    assert [receipt.seq for receipt in log.append(same)] == [4, 5, 6]
    assert log.count() == 6


def test_concurrent_callers_of_one_id_store_it_once(log: EntryLog):
    start = threading.Barrier(8)

    def send(_: int) -> list[Receipt]:
        start.wait()
        return [receipt for i in range(20) for receipt in log.append([event(f"e{i}")])]

    with ThreadPoolExecutor(8) as pool:
        receipts = [receipt for some in pool.map(send, range(8)) for receipt in some]
    assert sorted(keys_of(log)) == sorted(f"e{i}" for i in range(20))
    assert sum(receipt.outcome == "stored" for receipt in receipts) == 20
    assert sum(receipt.outcome == "repeated" for receipt in receipts) == 140


def test_two_logs_of_one_place_store_an_id_once_between_them(url: str, open_log: OpenLog):
    logs = [open_log(url), open_log(url)]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda log: [log.append(events(20, i)) for i in range(30)], logs))
    outcomes = [r.outcome for receipts in both for batch in receipts for r in batch]
    assert outcomes.count("stored") == 49 == logs[0].count()
    assert outcomes.count("conflicting") == 0


def test_a_follower_never_misses_an_entry_that_two_writers_make(url: str, open_log: OpenLog):
    writers = [open_log(url), open_log(url)]
    follower = open_log(url)
    done = threading.Event()
    seen: list[int] = []

    def follow() -> None:
        while True:
            last_round = done.is_set()
            new = follower.read(seen[-1] if seen else 0)
            seen.extend(entry.seq for entry in new)
            if last_round and not new:
                return

    def write(which: int) -> None:
        for i in range(60):
            writers[which].append(events(1 + i % 7, start=1000 * (100 * which + i)))

    thread = threading.Thread(target=follow)
    thread.start()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, [0, 1]))
    done.set()
    thread.join()
    assert seen == [entry.seq for entry in follower.read(limit=10_000)]
    assert len(seen) == 2 * sum(1 + i % 7 for i in range(60))


def test_reading_goes_on_after_a_number_and_stops_at_a_limit(log: EntryLog):
    log.append(events(10))
    assert [entry.seq for entry in log.read(after_seq=3, limit=4)] == [4, 5, 6, 7]
    assert log.read(after_seq=10) == []
    with pytest.raises(DataError, match="limit 0 — at least 1"):
        log.read(limit=0)


def test_chunks_hold_everything_once(url: str, open_log: OpenLog):
    log = open_log(url, chunk_entries=4)
    log.append(events(10))
    chunks = list(log.chunks(after_seq=1))
    assert [len(chunk) for chunk in chunks] == [4, 4, 1]
    assert [entry.seq for chunk in chunks for entry in chunk] == list(range(2, 11))


def test_forgetting_a_user_removes_theirs_and_leaves_a_note(log: EntryLog):
    log.append([event("e1"), event("e2", user="bob"), put("user", "ann"), put("item", "ann")])
    forgotten = log.forget_user("ann")
    assert (forgotten.seq, forgotten.n_removed) == (5, 2)
    left = log.read()
    assert [(entry.seq, entry.kind, entry.key) for entry in left] == [
        (2, "event", "e2"),
        (4, "item", "ann"),
        (5, "user_deleted", "ann"),
    ]


def test_forgetting_again_changes_nothing_until_the_user_is_back(log: EntryLog):
    log.append([event("e1")])
    first = log.forget_user("ann")
    again = log.forget_user("ann")
    assert (again.seq, again.n_removed) == (first.seq, 0)
    log.append([event("e1")])
    assert log.forget_user("ann").seq == first.seq + 2
    assert [entry.kind for entry in log.read()] == ["user_deleted", "user_deleted"]


def test_forgetting_keeps_the_order_in_which_callers_asked(log: EntryLog):
    futures = [
        log.submit([event("e1")]),
        log.submit_forget("ann"),
        log.submit([event("e2")]),
        log.submit_forget("nobody"),
    ]
    for future in futures:
        future.result()
    assert keys_of(log) == ["ann", "e2", "nobody"]


def test_a_forgotten_number_is_not_given_out_again(url: str, open_log: OpenLog):
    log = open_log(url)
    log.append(events(3))
    log.forget_user("ann")
    log.close()
    assert open_log(url).append([event("new")]) == [Receipt("stored", 5)]


def test_asyncio_waits_without_a_thread_of_its_own(log: EntryLog):
    async def send() -> list[list[Receipt]]:
        waiting = [asyncio.wrap_future(log.submit([event(f"e{i}")])) for i in range(50)]
        return await asyncio.gather(*waiting)

    receipts = asyncio.run(send())
    assert {batch[0].seq for batch in receipts} == set(range(1, 51))


def test_close_drains_and_then_refuses(url: str, open_log: OpenLog):
    log = open_log(url)
    futures = [log.submit(events(10, 10 * i)) for i in range(50)]
    log.close()
    log.close()
    assert all(future.done() and len(future.result()) == 10 for future in futures)
    with pytest.raises(StoreClosedError, match="was closed"):
        log.append([event("late")])
    with pytest.raises(StoreClosedError):
        log.forget_user("ann")
    assert open_log(url).count() == 500


def test_no_thread_is_left_behind(url: str):
    before = set(threading.enumerate())
    with EntryLog(EntryLogSettings(url=url)) as log:
        log.append([event("e")])
        assert set(threading.enumerate()) != before
    assert set(threading.enumerate()) <= before


def test_what_no_transaction_could_take_is_refused_before_it_waits(url: str, open_log: OpenLog):
    log = open_log(url, group_entries=5, body_bytes=100)
    with pytest.raises(DataError, match="a batch of 6 entries — at most group_entries, 5"):
        log.append(events(6))
    with pytest.raises(DataError, match=r"body of event big has \d+ bytes — at most body_bytes"):
        log.append([event("ok"), event("big", text="é" * 50)])
    with pytest.raises(DataError, match="forget_user writes that entry"):
        log.append([put("user_deleted", "ann")])
    assert log.count() == 0


def test_keys_that_look_alike_to_a_database_stay_apart(log: EntryLog):
    odd = ["a", "A", "a ", "á", "a\u0301", "1", "01", "'", '"', "%", "\\", "a\nb", "😀", "x" * 1024]
    assert [r.outcome for r in log.append([event(key) for key in odd])] == ["stored"] * len(odd)
    assert [r.outcome for r in log.append([event(key) for key in odd])] == ["repeated"] * len(odd)
    assert keys_of(log) == odd


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE log_head SET last_seq = 2", "ends at entry 2, but entry 3 was acknowledged"),
        ("UPDATE log_head SET log_id = 'other'", "not the log that was opened"),
        ("DELETE FROM log_head", "not the log that was opened"),
    ],
)
def test_a_log_that_is_not_what_was_acknowledged_is_refused(
    statement: str, message: str, log: EntryLog
):
    log.append(events(3))
    with log._database.transaction("damaging", writes=True) as connection:
        connection.exec_driver_sql(statement)
    with pytest.raises(StoreDamagedError, match=message):
        log.append([event("e9")])
    assert log.count() == 3


def test_many_open_one_new_place_at_once(url: str, open_log: OpenLog):
    start = threading.Barrier(8)
    seqs: list[int] = []

    def open_and_append(which: int) -> None:
        start.wait()
        seqs.append(open_log(url).append([event(f"e{which}")])[0].seq)

    threads = [threading.Thread(target=open_and_append, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seqs) == list(range(1, 9))
