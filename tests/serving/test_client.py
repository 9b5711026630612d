"""The client: typed answers, and retries only where something may get better."""

import httpx2
import pytest

from graphrec.client import Client, ServerError
from graphrec.serving.impression_messages import ImpressionIn
from graphrec.serving.messages import EventIn
from tests.serving.house import House

EVENT = EventIn(event_id="1", event_type="watch", user_id="ann", item_id="a")
STORED = {"results": [{"event_id": "1", "outcome": "stored", "seq": 4}], "seq": 4}
SLATE = {
    "slate_id": "s-1",
    "items": [],
    "next_cursor": None,
    "notes": [],
    "seq": 4,
    "time_s": 9,
}
ITEM = {
    "item_id": "a",
    "title": "A",
    "score": 1.0,
    "found_by": ["walk"],
    "reasons": [],
    "propensity": None,
}
PROBLEM = {
    "detail": "k: too large",
    "status": 422,
    "problems": [{"field": "query.k", "value": "0", "rule": "at least 1"}],
}


class Answers:
    """A server that answers in turn, or does not."""

    def __init__(self, *answers):
        self.answers, self.requests, self.waits = list(answers), [], []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body, *headers = answer
        return httpx2.Response(status, json=body, headers=headers[0] if headers else None)

    def client(self, **said):
        transport = httpx2.MockTransport(self)
        return Client("http://there", transport=transport, sleep=self.waits.append, **said)


def test_events_are_told_with_the_key_and_the_answer_is_typed():
    server = Answers((200, STORED))
    with server.client(key="grk_x") as client:
        told = client.tell([EVENT])
    assert told.seq == 4 and told.results[0].outcome == "stored"
    (request,) = server.requests
    assert request.headers["x-api-key"] == "grk_x"
    assert b'"event_id":"1"' in request.content and b"time_s" not in request.content


def test_what_does_not_get_through_is_tried_again_with_growing_pauses():
    lost = httpx2.ConnectError("refused")
    server = Answers(lost, (503, {"detail": "gone"}), lost, (200, STORED))
    assert server.client().tell([EVENT]).seq == 4
    assert len(server.waits) == 3
    for wait, longest in zip(server.waits, (0.15, 0.3, 0.6), strict=True):
        assert longest / 3 <= wait <= longest


def test_the_pause_that_a_server_asks_for_is_kept():
    server = Answers((429, {"detail": "busy"}, {"Retry-After": "3"}), (200, SLATE))
    assert server.client().recommend("ann").seq == 4
    assert server.waits == [3.0]


def test_patience_ends():
    server = Answers(*[(429, {"detail": "busy"}, {"Retry-After": "11"})] * 2)
    with pytest.raises(ServerError, match="busy") as caught:
        server.client(patience_s=10).recommend("ann")
    assert caught.value.status == 429 and server.waits == []
    with pytest.raises(ServerError, match="there: refused") as caught:
        Answers(httpx2.ConnectError("refused")).client(patience_s=0).history("ann")
    assert caught.value.status is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 500])
def test_what_will_not_get_better_is_not_tried_again(status):
    server = Answers((status, PROBLEM))
    with pytest.raises(ServerError, match="k: too large") as caught:
        server.client().similar("a", k=0)
    assert caught.value.status == status
    assert caught.value.problems[0]["field"] == "query.k"
    assert len(server.requests) == 1


def test_an_answer_that_is_no_problem_document_is_told_by_its_status():
    for body in ("gone", [1], {}):
        with pytest.raises(ServerError, match="status 404 without a reason"):
            Answers((404, body)).client().history("ann")


def test_ids_and_filters_travel_whole():
    server = Answers((200, SLATE), (200, SLATE), (200, {"n_removed": 1, "seq": 5}))
    client = server.client()
    client.recommend("a b/ü?", k=3, seen="allow", deny=["x", "y"])
    client.recommend_session(["p", "q"])
    assert client.forget("ann").n_removed == 1
    first, second, third = (str(request.url) for request in server.requests)
    assert first.endswith(
        "/v1/users/a%20b%2F%C3%BC%3F/recommendations?k=3&seen=allow&deny=x&deny=y"
    )
    assert "item=p&item=q" in second
    assert third.endswith("/v1/users/ann") and server.requests[2].method == "DELETE"


def test_wishes_travel_as_the_door_names_them():
    server = Answers((200, SLATE))
    server.client().recommend(
        "ann",
        diversity=0.25,
        objectives={"freshness": 0.5, "novelty": -1},
        reasons=False,
        item=("b", 7),
        cursor="AQ",
    )
    (request,) = server.requests
    assert dict(request.url.params.multi_items()) | {"k": "10"} == {
        "k": "10",
        "diversity": "0.25",
        "reasons": "false",
        "item": "7",
        "cursor": "AQ",
        "objective": "novelty:-1",
    }
    assert request.url.params.get_list("objective") == ["freshness:0.5", "novelty:-1"]
    assert request.url.params.get_list("item") == ["b", "7"]


def test_impressions_are_told_and_answered_one_by_one():
    stored = {"results": [{"impression_id": "1", "outcome": "stored", "seq": 4}], "seq": 4}
    server = Answers((503, {"detail": "gone"}), (200, stored))
    told = server.client().impressions([ImpressionIn(impression_id="1", shown=["a"])])
    assert told.results[0].outcome == "stored" and told.seq == 4
    sent = server.requests[1]
    assert str(sent.url).endswith("/v1/impressions") and b'"shown":["a"]' in sent.content
    assert b"user_id" not in sent.content


def test_pages_follow_the_cursor_until_there_is_none():
    first, second = (
        SLATE | {"items": [ITEM], "next_cursor": "one"},
        SLATE | {"items": [ITEM], "next_cursor": "two"},
    )
    server = Answers((200, first), (200, second), (200, SLATE))
    pages = list(server.client().pages("ann", k=1, seen="allow"))
    assert [page.next_cursor for page in pages] == ["one", "two"]
    cursors = [request.url.params.get("cursor") for request in server.requests]
    assert cursors == [None, "one", "two"]
    assert all(request.url.params["seen"] == "allow" for request in server.requests)
    server = Answers((200, SLATE | {"items": [ITEM]}))
    assert len(list(server.client().pages(None, item=["a"]))) == 1
    assert server.requests[0].url.path == "/v1/recommendations"


def test_a_server_and_a_client_agree(tmp_path):
    house = House(tmp_path)

    def through(request):
        answer = house.client.request(
            request.method, str(request.url), content=request.content, headers=request.headers
        )
        return httpx2.Response(answer.status_code, content=answer.content)

    try:
        client = Client("http://testserver", transport=httpx2.MockTransport(through), patience_s=0)
        wishes = {"objectives": {"freshness": 0.5}, "diversity": 0.5, "item": ["b"]}
        pages = list(client.pages("ann", k=3, **wishes))
        items = [one.item_id for page in pages for one in page.items]
        assert sorted(items) == list("cdefghij") and len(pages) == 3
        told = client.impressions(
            [
                ImpressionIn(impression_id=page.slate_id, user_id="ann", shown=["c"])
                for page in pages
            ]
        )
        assert [one.outcome for one in told.results] == ["stored"] * 3
        with pytest.raises(ServerError, match="no objective 'joy'"):
            client.recommend("ann", objectives={"joy": 1.0})
    finally:
        house.close()
