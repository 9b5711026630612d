"""What is said of items and users over HTTP: durable, seen in slates, filters and searches."""

from urllib.parse import quote

import pytest

from tests.serving.test_app import House, event, items_of

TEA = {
    "title": "How tea is made",
    "publishers": ["Kettle", "Kettle"],
    "keywords": ["tea", "hot water"],
    "published_s": 900,
}


@pytest.fixture
def house(tmp_path):
    found = House(tmp_path)
    yield found
    found.close()


def said(house, method, path, body=None):
    answer = house.client.request(method, path, json=body)
    assert answer.status_code == 200, answer.text
    house.seen(answer.json())


def slate_of(house, path="/v1/users/ann/recommendations?k=9&seen=allow"):
    return items_of(house.client.get(path))


def what_is_known_of_tea(house):
    known = house.client.get("/v1/items/tea").json()
    history = house.client.get("/v1/users/ann/history").json()["items"]
    fields = ("title", "publishers", "keywords", "published_s", "n_events")
    return (*(known[field] for field in fields), history[0])


def test_an_item_that_is_put_is_known_and_put_again_replaces_all_of_it(house, tmp_path):
    assert house.client.get("/v1/items/tea").status_code == 404
    said(house, "PUT", "/v1/items/tea", TEA)
    known = house.client.get("/v1/items/tea").json()
    assert known.pop("seq") == 1
    assert known == TEA | {"item_id": "tea", "publishers": ["Kettle"], "n_events": 0}
    house.seen(house.told(event(1, item="tea")))
    said(house, "PUT", "/v1/items/tea", {"title": "Tea"})
    now = what_is_known_of_tea(house)
    assert now == ("Tea", [], [], None, 1, {"item_id": "tea", "title": "Tea"})
    house.close()
    again = House(tmp_path)
    assert what_is_known_of_tea(again) == now
    again.close()


def test_filters_follow_what_is_said(house):
    asked = "/v1/users/eve/recommendations?k=9&seen=allow&publisher=Kettle"
    assert house.client.get(asked).status_code == 422
    said(house, "PUT", "/v1/items/a", TEA)
    assert slate_of(house, asked) == ["a"]
    assert slate_of(house, asked.replace("publisher=Kettle", "keyword=hot water")) == ["a"]
    said(house, "PUT", "/v1/items/c", {"publishers": ["Kettle"]})
    assert sorted(slate_of(house, asked)) == ["a", "c"]
    said(house, "PUT", "/v1/items/a", {})
    assert slate_of(house, asked) == ["c"]
    day = "/v1/users/eve/recommendations?k=9&seen=allow&max_age_days=1"
    assert "c" in slate_of(house, day)
    said(house, "PUT", "/v1/items/c", {"published_s": 1000 - 2 * 86_400})
    assert "c" not in slate_of(house, day)


def test_a_deleted_item_is_nowhere_until_it_is_put_again(house, tmp_path):
    said(house, "PUT", "/v1/items/c", {"title": "See"})
    paths = (
        "/v1/users/ann/recommendations?k=9&seen=allow",
        "/v1/recommendations?k=9",
        "/v1/items/a/similar?k=9",
        "/v1/search?q=see",
    )
    assert all("c" in slate_of(house, path) for path in paths)
    said(house, "DELETE", "/v1/items/c")
    said(house, "DELETE", "/v1/items/c")
    assert house.client.get("/v1/items/c").status_code == 404
    assert not any("c" in slate_of(house, path) for path in paths)
    house.seen(house.told(event(1, item="c")))
    assert not any("c" in slate_of(house, path) for path in paths)
    history = house.client.get("/v1/users/ann/history").json()["items"]
    assert history[0] == {"item_id": "c", "title": "See"}
    house.close()
    again = House(tmp_path)
    assert not any("c" in slate_of(again, path) for path in paths)
    said(again, "PUT", "/v1/items/c", {"title": "See"})
    assert all("c" in slate_of(again, path) for path in paths)
    again.close()


def test_an_item_that_is_deleted_before_anybody_told_of_it_is_not_shown_after(house):
    said(house, "DELETE", "/v1/items/late")
    house.seen(house.told(*(event(n, user=f"u{n}", item="late") for n in range(9))))
    assert "late" not in slate_of(house)


def test_properties_of_a_user_are_kept_shown_and_forgotten(house, tmp_path):
    assert house.client.get("/v1/users/zoe").status_code == 404
    properties = {"age": 31, "weight": 1.5, "is_new": True, "language": "da"}
    said(house, "PUT", "/v1/users/zoe", {"properties": properties})
    known = house.client.get("/v1/users/zoe").json()
    assert known["properties"] == properties and known["properties"]["is_new"] is True
    assert known["n_events"] == 0 and known["newest_event_s"] is None
    house.seen(house.told(event(1, user="zoe"), event(2, user="zoe", time_s=1200)))
    known = house.client.get("/v1/users/zoe").json()
    assert known["n_events"] == 2 and known["newest_event_s"] == 1200
    assert house.client.get("/v1/users/ann").json()["newest_event_s"] == 2
    assert house.client.get("/v1/users?prefix=z").json()["users"] == ["zoe"]
    assert house.client.get("/v1/users?k=2").json()["users"] == ["ann", "bob"]
    said(house, "DELETE", "/v1/users/zoe")
    assert house.client.get("/v1/users/zoe").status_code == 404
    assert house.client.get("/v1/users?prefix=z").json()["users"] == []
    house.seen(house.told(event(3, user="zoe")))
    assert house.client.get("/v1/users/zoe").json()["properties"] == {}
    house.close()
    again = House(tmp_path)
    assert again.client.get("/v1/users/zoe").json()["properties"] == {}
    assert again.client.get("/v1/users?prefix=z").json()["users"] == ["zoe"]
    again.close()


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("items/tea", {"title": 7}, "title"),
        ("items/tea", {"title": ""}, "title"),
        ("items/tea", {"publishers": "Kettle"}, "publishers"),
        ("items/tea", {"publishers": [" "]}, "publishers.0"),
        ("items/tea", {"keywords": ["a"] * 201}, "keywords"),
        ("items/tea", {"keywords": ["a\u0000"]}, "keywords.0"),
        ("items/tea", {"published_s": 1.5}, "published_s"),
        ("items/tea", {"published_s": 2**41}, "published_s"),
        ("items/tea", {"colour": "red"}, "colour"),
        ("items/tea", [], "event"),
        ("users/zoe", {}, "properties"),
        ("users/zoe", {"properties": {"a": None}}, "properties.a"),
        ("users/zoe", {"properties": {"a": [1]}}, "properties.a"),
        ("users/zoe", {"properties": {"a": {"b": 1}}}, "properties.a"),
        ("users/zoe", {"properties": {str(n): n for n in range(51)}}, "properties"),
    ],
)
def test_wrong_descriptions_are_named_and_leave_no_trace(house, path, body, field):
    answer = house.client.put(f"/v1/{path}", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert any(one["field"].startswith(field) for one in answer.json()["problems"])
    assert house.log.count() == 0


@pytest.mark.parametrize(
    ("content", "status"), [(b"", 400), (b"{", 400), (b" " * 200_001, 413), (b"[" * 10**5, 400)]
)
def test_bodies_that_cannot_be_read_are_refused(house, content, status):
    assert house.client.put("/v1/items/tea", content=content).status_code == status
    assert house.client.put("/v1/users/zoe", content=content).status_code == status
    assert house.log.count() == 0


def test_ids_that_no_log_holds_are_refused(house):
    assert house.client.put(f"/v1/items/{'x' * 257}", json={}).status_code == 422
    assert house.client.put(f"/v1/items/{quote(chr(0))}", json={}).status_code == 422
    assert house.client.get("/v1/items/%FF").status_code in (404, 422)
    assert house.log.count() == 0


def test_ids_may_hold_slashes(house):
    item, user = quote("x/y ü", safe=""), quote("a/b", safe="")
    said(house, "PUT", f"/v1/items/{item}", TEA)
    assert house.client.get(f"/v1/items/{item}").json()["item_id"] == "x/y ü"
    assert house.client.get(f"/v1/items/{item}/similar").status_code == 200
    said(house, "PUT", f"/v1/users/{user}", {"properties": {"a": 1}})
    assert house.client.get(f"/v1/users/{user}").json()["user_id"] == "a/b"
    assert items_of(house.client.get(f"/v1/users/{user}/history")) == []


def test_a_search_follows_what_is_said(house):
    assert items_of(house.client.get("/v1/search?q=tea")) == []
    said(house, "PUT", "/v1/items/a", TEA)
    said(house, "PUT", "/v1/items/new", {"title": "Coffee", "keywords": ["TÉA"]})
    assert items_of(house.client.get("/v1/search?q=TEA")) == ["a", "new"]
    assert items_of(house.client.get("/v1/search?q=how+te")) == ["a"]
    assert items_of(house.client.get("/v1/search?q=kettle")) == ["a"]
    assert items_of(house.client.get("/v1/search?q=te&k=1")) == ["a"]
    said(house, "PUT", "/v1/items/a", {"title": "Soup"})
    assert items_of(house.client.get("/v1/search?q=tea")) == ["new"]
    for wrong in ("/v1/search", "/v1/search?q=", "/v1/search?q=a&k=0"):
        assert house.client.get(wrong).status_code == 422


def test_every_field_of_these_doors_has_a_description_and_an_example(house):
    schema = house.client.get("/openapi.json").json()
    for name in ("ItemOneOut", "ItemFactsOut", "UserOut", "UsersOut"):
        for field, told in schema["components"]["schemas"][name]["properties"].items():
            assert "examples" in told, (name, field)
    for path in ("/v1/items/{item_id}", "/v1/users/{user_id}"):
        body = schema["paths"][path]["put"]["requestBody"]["content"]["application/json"]
        assert body["example"]
        answer = house.client.put(path.replace("{", "").replace("}", ""), json=body["example"])
        assert answer.status_code == 200
