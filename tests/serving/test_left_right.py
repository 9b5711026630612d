"""Two equal states: readers never wait and never see half a change."""

import copy
import threading
import time

import pytest

from graphrec.serving.left_right import LeftRight


def both():
    return LeftRight({"a": 0, "b": 0}, {"a": 0, "b": 0})


def test_a_change_is_seen_by_the_next_reader_and_made_to_both_states():
    states = both()
    for n in range(1, 4):
        states.change(lambda state: state.update(a=state["a"] + 1, b=state["b"] + 1))
        with states.read() as state:
            assert state == {"a": n, "b": n}
        assert states.version == n


def test_a_reader_keeps_its_state_while_changes_go_on_and_nobody_waits_for_it():
    states = both()
    with states.read() as old:
        writer = threading.Thread(target=states.change, args=(lambda s: s.update(a=7),))
        writer.start()
        deadline = time.monotonic() + 5
        while states.version == 0:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        with states.read() as new:
            assert new["a"] == 7
        assert old["a"] == 0
    writer.join(5)
    assert not writer.is_alive() and old["a"] == 7


def test_readers_and_a_writer_at_full_speed_never_see_half_a_change():
    states, torn, stop = both(), [], threading.Event()

    def half_and_half(state):
        state["a"] += 1
        time.sleep(0)
        state["b"] += 1

    def look():
        while not stop.is_set():
            with states.read() as state:
                seen = state["a"]
                time.sleep(0)
                if state["b"] != seen:
                    torn.append(dict(state))

    readers = [threading.Thread(target=look) for _ in range(4)]
    for reader in readers:
        reader.start()
    for _ in range(300):
        states.change(half_and_half)
    stop.set()
    for reader in readers:
        reader.join()
    assert torn == []
    with states.read() as state:
        assert state == {"a": 300, "b": 300}


def test_a_change_that_fails_half_way_is_not_seen():
    states = both()

    def break_off(state):
        state["a"] += 1
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        states.change(break_off, copy.deepcopy)
    states.change(lambda state: state.update(b=1), copy.deepcopy)
    for _ in range(2):
        with states.read() as state:
            assert state == {"a": 0, "b": 1}
        states.change(lambda state: None)


def test_a_change_that_fails_on_the_second_state_only_holds_and_that_state_is_renewed():
    states, calls = both(), []

    def once(state):
        calls.append(state)
        state["a"] += 1
        if len(calls) == 2:
            raise ValueError("out of luck")

    states.change(once, copy.deepcopy)
    for _ in range(2):
        with states.read() as state:
            assert state == {"a": 1, "b": 0}
        states.change(lambda state: None)
