"""A log is told in its order, when its time has come, and told again it changes nothing."""

import pytest

from graphrec.errors import DataError
from graphrec.serving.messages import EventOut, EventsOut, Problem
from graphrec.serving.replaying import Pace, events_of, replay
from tests.worlds import small_dataset

ROWS = [(100, "ann", "a"), (101, "bob", "b"), (101, "bob", "c"), (161, "ann", "d")]


class Listener:
    """A server that notes what it is told and when, and refuses item c."""

    def __init__(self, clock=lambda: 0.0):
        self.calls, self.known, self._clock = [], set(), clock

    def tell(self, events):
        self.calls.append((self._clock(), [event.item_id for event in events]))
        results = []
        for event in events:
            outcome = "repeated" if event.event_id in self.known else "stored"
            problems = []
            if event.item_id == "c":
                outcome, problems = "refused", [Problem(field="item_id", value="c", rule="no c")]
            self.known.add(event.event_id)
            results.append(EventOut(event_id=event.event_id, outcome=outcome, problems=problems))
        return EventsOut(results=results, seq=1)


class Clock:
    def __init__(self):
        self.now_s = 5.0

    def __call__(self):
        return self.now_s

    def sleep(self, wait_s):
        assert wait_s > 0
        self.now_s += wait_s


def test_events_are_told_in_order_and_counted():
    server, told = Listener(), []
    found = replay(events_of(small_dataset(ROWS)), server, Pace(most=3), progress=told.append)
    assert [items for _, items in server.calls] == [["a", "b", "c"], ["d"]]
    assert (found.n_stored, found.n_repeated, found.n_refused) == (3, 0, 1)
    assert found.first_refusal == "item_id: no c" and told == [3, 1]
    again = replay(events_of(small_dataset(ROWS)), server, Pace())
    assert (again.n_stored, again.n_repeated, again.n_refused) == (0, 3, 1)


def test_each_event_is_told_when_its_time_has_come():
    clock = Clock()
    server = Listener(clock)
    replay(events_of(small_dataset(ROWS)), server, Pace(10), clock=clock, sleep=clock.sleep)
    assert server.calls == [
        (5.0, ["a"]),
        (pytest.approx(5.1), ["b", "c"]),
        (pytest.approx(11.1), ["d"]),
    ]


def test_a_server_that_is_slower_than_the_log_gets_what_is_due_together():
    clock = Clock()

    class Slow(Listener):
        def tell(self, events):
            clock.now_s += 100
            return super().tell(events)

    server = Slow(clock)
    replay(events_of(small_dataset(ROWS)), server, Pace(10), clock=clock, sleep=clock.sleep)
    assert [items for _, items in server.calls] == [["a"], ["b", "c", "d"]]


def test_only_what_users_do_with_items_is_told():
    told = list(events_of(small_dataset(ROWS)))
    assert [event.item_id for event in told] == ["a", "b", "c", "d"]
    assert told[0].time_s == 100 and told[0].user_id == "ann"
    assert len({event.event_id for event in told}) == 4


@pytest.mark.parametrize(("speed", "most"), [(0, 1), (-1, 1), (float("nan"), 1), (1, 0)])
def test_speeds_and_sizes_out_of_range_are_refused(speed, most):
    with pytest.raises(DataError, match="above 0, and at least 1"):
        Pace(speed, most)
