"""Impressions: durable once, refused in words, counted by item in both copies of the state."""

import copy
import json

import numpy as np
import pytest

from graphrec.events.ids import IdMap
from graphrec.serving.entries import NewEntry
from graphrec.serving.impressions import MOST_WAITING, ImpressionCounts, Shown
from tests.serving.house import ROWS, House, shown

DOOR = "/v1/impressions"


@pytest.fixture
def house(tmp_path):
    found = House(tmp_path)
    yield found
    found.close()


def seen_by(user="ann", number=1, items=("b", "c"), **more):
    return {"impression_id": f"i{number}", "user_id": user, "shown": list(items)} | more


def counts(house):
    """Counts by item id, the same in both copies."""
    house.engine.poke()
    both = []
    for state in house.engine._learning._states._sides:
        found, ids = state.impressions, state.pipeline.dataset.ids["item"]
        both.append(
            {
                ids.key(row): (int(found.shown[row]), int(found.clicked[row]))
                for row in np.flatnonzero(found.shown).tolist()
            }
        )
    assert both[0] == both[1]
    return both[0]


def test_what_was_shown_is_durable_counted_and_counted_again_after_a_restart(house, tmp_path):
    slate = house.get("/v1/users/ann/recommendations", k=3)
    items = shown(slate)
    told = house.post(
        DOOR, seen_by(items=items, clicked=items[1:2]) | {"impression_id": slate["slate_id"]}
    )
    assert [one["outcome"] for one in told["results"]] == ["stored"]
    house.seen(told)
    expected = {items[0]: (1, 0), items[1]: (1, 1), items[2]: (1, 0)}
    assert counts(house) == expected
    status = house.get("/v1/admin/status")
    assert (status["n_shown"], status["n_clicked"], status["n_skipped"]) == (3, 1, 0)
    (entry,) = house.log.read()
    assert (entry.kind, entry.key, entry.user_id) == ("impression", slate["slate_id"], "ann")
    house.close()
    again = House(tmp_path)
    assert counts(again) == expected
    again.close()


def test_one_many_and_wrapped_are_taken_and_each_is_answered(house):
    assert len(house.post(DOOR, seen_by(number=1))["results"]) == 1
    assert len(house.post(DOOR, [seen_by(number=2), seen_by(number=3)])["results"]) == 2
    mixed = house.post(
        DOOR,
        {
            "impressions": [
                seen_by(number=2),
                seen_by(number=2, clicked=["b"]),
                seen_by(number=4) | {"shown": []},
                seen_by(number=5),
            ]
        },
    )
    outcomes = [one["outcome"] for one in mixed["results"]]
    assert outcomes == ["repeated", "conflicting", "refused", "stored"]
    assert mixed["results"][2]["problems"][0]["field"] == "shown"
    house.seen(mixed)
    assert counts(house) == {"b": (4, 0), "c": (4, 0)}


def test_an_impression_of_nobody_is_nobodys(house):
    told = house.post(DOOR, {"impression_id": "x", "shown": ["b"]})
    house.seen(told)
    assert house.log.read()[0].user_id is None and counts(house) == {"b": (1, 0)}


def test_a_forgotten_users_impressions_leave_the_log_and_no_count(house):
    house.seen(house.post(DOOR, seen_by()))
    gone = house.client.delete("/v1/users/ann").json()
    assert gone["n_removed"] == 1
    house.seen(gone)
    assert counts(house) == {"b": (1, 0), "c": (1, 0)}


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"shown": []}, "shown", "at least 1"),
        ({"shown": ["b"] * 2}, "shown", "'b' stands there twice"),
        ({"shown": [f"i{n}" for n in range(201)]}, "shown", "at most 200"),
        ({"shown": "b"}, "shown", "valid list"),
        ({"shown": [1.5]}, "shown.0", "valid"),
        ({"shown": [7]}, "shown", "item ids are text"),
        ({"clicked": ["z"]}, "clicked", "'z' was not shown"),
        ({"clicked": ["b", "b"]}, "clicked", "twice"),
        ({"user_id": 7}, "user_id", "user ids are text"),
        ({"user_id": ""}, "user_id", "at least 1 character"),
        ({"impression_id": ""}, "impression_id", "at least 1 character"),
        ({"impression_id": "a\u0000"}, "impression_id", "NUL"),
        ({"time_s": -1}, "time_s", "greater than or equal to 0"),
        ({"time_s": 2000}, "time_s", "at most 1300"),
        ({"colour": "red"}, "colour", "Extra inputs"),
    ],
)
def test_wrong_impressions_are_named_and_leave_no_trace(house, change, field, rule):
    document = house.post(DOOR, seen_by() | change, status=422)
    assert any(
        one["field"].startswith(field) and rule in one["rule"] for one in document["problems"]
    ), document
    assert house.log.count() == 0


@pytest.mark.parametrize(("body", "status"), [([], 422), ({"impressions": 7}, 422), (7, 422)])
def test_bodies_that_are_no_impressions_are_refused(house, body, status):
    assert "no impression" in house.post(DOOR, body, status=status)["detail"]


def test_an_item_that_is_not_known_yet_counts_once_it_is(house):
    house.seen(house.post(DOOR, seen_by(items=["b", "brand new"], clicked=["brand new"])))
    assert counts(house) == {"b": (1, 0)}
    assert house.get("/v1/admin/status")["n_shown"] == 2
    house.watch(1, "ann", "brand new")
    assert counts(house) == {"b": (1, 0), "brand new": (1, 1)}


def test_an_entry_that_tells_of_no_list_is_skipped_and_told(house):
    bodies = ["{}", "[1]", '{"shown": 7}', '{"shown":["b"]}']
    receipts = house.log.append(
        [NewEntry("impression", f"k{n}", 1, body) for n, body in enumerate(bodies)]
    )
    house.seen({"seq": receipts[-1].seq})
    assert counts(house) == {"b": (1, 0)}
    assert house.engine.n_skipped == 3


def test_ids_that_are_integers_are_found_by_number_and_by_text(tmp_path):
    rows = [(time_s, n, n % 3) for n, (time_s, _, _) in enumerate(ROWS)]
    house = House(tmp_path, rows=rows)
    try:
        house.seen(house.post(DOOR, seen_by(user=3, items=[0, "2"])))
        assert counts(house) == {0: (1, 0), 2: (1, 0)}
        assert json.loads(house.log.read()[0].body)["shown"] == [0, "2"]
        page = house.get("/v1/users/0/recommendations", k=1, seen="allow")
        following = house.get(
            "/v1/users/0/recommendations", k=1, seen="allow", cursor=page["next_cursor"]
        )
        assert not set(shown(page)) & set(shown(following))
    finally:
        house.close()


def test_counts_are_the_same_in_any_batches_and_in_a_copy():
    lists = [Shown(("a", "new"), ("new",)), Shown(("new", "b"), ()), Shown(("a",), ("a",))]
    early, late = IdMap(["a", "b"], what="item"), IdMap(["a", "b", "new"], what="item")
    whole = ImpressionCounts()
    whole.absorb(lists, late)
    parts = ImpressionCounts()
    for one in lists:
        parts.absorb([one], early)
    assert parts.shown.tolist() == [2, 1]
    twin = copy.deepcopy(parts)
    for found in (parts, twin):
        found.settle(late)
        assert found.shown.tolist() == whole.shown.tolist() == [2, 1, 2]
        assert found.clicked.tolist() == whole.clicked.tolist() == [1, 0, 1]
        assert found.shown.dtype == np.int64


def test_ids_that_never_become_items_take_bounded_room():
    found, ids = ImpressionCounts(), IdMap(["a"], what="item")
    found.absorb([Shown(tuple(f"x{n}" for n in range(MOST_WAITING + 50)), ())], ids)
    assert len(found._waiting) == MOST_WAITING
    assert found.n_shown == MOST_WAITING + 50
