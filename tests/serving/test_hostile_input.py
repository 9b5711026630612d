"""Hostile bodies and ten thousand bad events: named, refused, and no trace left."""

import json
import re
import time
from collections import Counter

import pytest

from tests.serving.bad_events import KINDS, bad_event, mixed_kinds
from tests.serving.live_server import LiveServer, assert_problem, event

JSON = {"Content-Type": "application/json"}
GOOD = b'{"event_id": "g", "event_type": "watch", "user_id": "ann", "item_id": "d"%s}'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with LiveServer(f"sqlite:///{tmp_path_factory.mktemp('log')}/log.sqlite") as found:
        found.assert_takes_good_events("first")
        yield found


@pytest.fixture
def unchanged(server):
    """The test changes nothing, and a good event is stored after it."""
    before = server.contents()
    yield
    assert server.contents() == before
    assert server.tell(f"{time.monotonic_ns()}").json()["results"][0]["outcome"] == "stored"


def body_of(*said):
    # `1e999` is how JSON can say infinity.
    return json.dumps(said).replace("Infinity", "1e999").encode()


def found_of(problems, field, rule):
    return [
        one
        for one in problems
        if one["field"].startswith(field)
        and re.search(rule, one["rule"])
        and len(one["field"]) < 300
    ]


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_each_kind_of_bad_event_is_named_by_field_value_and_rule(server, unchanged, kind):
    _, field, rule = KINDS[kind]
    answer = server.client.post("/v1/events", content=body_of(bad_event(0, kind)), headers=JSON)
    document = assert_problem(answer, 422)
    named = found_of(document["problems"], field, rule)
    assert named, document
    assert rule == "required" or any(one["value"] for one in named)
    assert len(answer.content) < 5000


def test_ten_thousand_bad_events_leave_no_trace_and_the_good_among_them_are_stored(server):
    assert len(KINDS) >= 50
    before = server.contents()
    kinds = mixed_kinds(10_000, seed=1)
    for start in range(0, 10_000, 500):
        said = [bad_event(n, kinds[n]) for n in range(start, start + 500)]
        answer = server.client.post("/v1/events", content=body_of(*said), headers=JSON)
        problems = assert_problem(answer, 422)["problems"]
        assert 1 <= len(problems) <= 20
    said = [bad_event(n, kinds[n]) for n in range(300)]
    mixed = server.client.post("/v1/events", content=body_of(*said), headers=JSON)
    assert_problem(mixed, 422)
    assert server.contents() == before
    said.insert(150, event("among", user_id="gus"))
    answer = server.client.post("/v1/events", content=body_of(*said), headers=JSON)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert Counter(one["outcome"] for one in results) == {"refused": 300, "stored": 1}
    assert results[150]["outcome"] == "stored"
    for n, one in enumerate(results[:150]):
        _, field, rule = KINDS[kinds[n]]
        assert found_of(one["problems"], field, rule), one
    assert server.log.count() == len(before[0]) + 1
    server.assert_takes_good_events("after ten thousand")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[" * 10_000 + b"]" * 10_000, "nests too deeply|no event|event"),
        (b'{"events":' * 10_000 + b"1" + b"}" * 10_000, "nests too deeply"),
        (GOOD % (b', "weight": ' + b"[" * 10_000 + b"]" * 10_000), "nests too deeply"),
        (GOOD % b', "weight": NaN', "NaN is no number of JSON"),
        (GOOD % b', "weight": Infinity', "Infinity is no number of JSON"),
        (GOOD % b', "weight": -Infinity', "-Infinity is no number of JSON"),
        (GOOD % (b', "time_s": ' + b"9" * 100_000), "no JSON"),
        (GOOD % b', "item_id": "e"', "the name 'item_id' stands twice in one object"),
        (b'{"events": [], "events": [' + GOOD % b"" + b"]}", "the name 'events' stands twice"),
        (GOOD % b', "x": {"a": 1, "a": 2}', "the name 'a' stands twice"),
        (b'{"event_id": "\xff\xfe"}', "can't decode byte 0xff"),
        ("[]".encode("utf-16"), "can't decode byte"),
        (b"\xef\xbb\xbf[]", "BOM"),
        (b"\xed\xa0\x80", "can't decode byte"),
        (b"\0", "no JSON"),
        (b"{}{}", "Extra data"),
        (GOOD % b",", "no JSON"),
        (b"<events/>", "no JSON"),
        (b"'; DROP TABLE log_entries; --", "no JSON"),
    ],
)
def test_a_body_that_is_no_json_is_refused_and_says_why(server, unchanged, body, words):
    answer = server.client.post("/v1/events", content=body, headers=JSON)
    status = answer.status_code
    assert status in (400, 422)
    assert re.search(words, assert_problem(answer, status)["detail"])
    assert status == 400 or body.startswith(b"[[")


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "text/json",
        "application/octet-stream",
        "json",
        "",
        "x" * 5000,
    ],
)
def test_a_body_of_another_kind_is_refused(server, unchanged, kind):
    answer = server.client.post("/v1/events", content=GOOD % b"", headers={"Content-Type": kind})
    document = assert_problem(answer, 415)
    assert "— application/json" in document["detail"] and len(answer.content) < 500


@pytest.mark.parametrize("packed", ["gzip", "br", "deflate", "identity, gzip", "zstd", "x-none"])
def test_a_compressed_body_is_refused(server, unchanged, packed):
    headers = JSON | {"Content-Encoding": packed}
    answer = server.client.post("/v1/events", content=GOOD % b"", headers=headers)
    assert "send the body as it is" in assert_problem(answer, 415)["detail"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON", None])
def test_json_is_taken_however_it_is_called(server, unchanged, kind):
    headers = {} if kind is None else {"Content-Type": kind}
    body = GOOD % b', "weight": -1'
    document = assert_problem(server.client.post("/v1/events", content=body, headers=headers), 422)
    assert document["problems"][0]["field"] == "weight"


def test_the_same_id_twice_in_one_call_is_stored_once_and_another_under_it_is_not(server):
    said = [event("twin", user_id="tim"), event("twin", user_id="tim")]
    said.append(event("twin", user_id="tim", item_id="a"))
    results = server.client.post("/v1/events", json=said).json()["results"]
    assert [one["outcome"] for one in results] == ["stored", "repeated", "conflicting"]
    assert results[0]["seq"] == results[1]["seq"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/users/%00/history",
        "/v1/users/%ff%fe/history",
        "/v1/users/" + "x" * 300 + "/history",
        "/v1/users/" + "x" * 20_000 + "/history",
        "/v1/users//history",
        "/v1/users/../../etc/passwd",
        "/v1/users/ann/recommendations?k=1e9",
        "/v1/users/ann/recommendations?k=" + "9" * 5000,
        "/v1/users/ann/recommendations?max_age_days=nan",
        "/v1/users/ann/recommendations?max_age_days=inf",
        "/v1/users/ann/recommendations?deny=%00",
        "/v1/recommendations?" + "item=a&" * 300,
        "/v1/recommendations?item=%ff",
        "/v1/items/%F0%9F%92%A9/similar",
        "/no/such/path",
    ],
)
def test_a_hostile_path_is_answered_by_a_problem_and_never_fails(server, unchanged, path):
    answer = server.client.get(path)
    assert 400 <= answer.status_code < 500
    assert_problem(answer, answer.status_code)
