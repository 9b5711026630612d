"""What can be asked of slates: diversity, objectives, visits, pages."""

import pytest

from graphrec.experiment.slates import NamedRules, NamedSlate
from graphrec.serving.cursors import write_cursor
from graphrec.slate.exploration import ExplorationSettings
from tests.serving.house import House, shown

ANN = "/v1/users/ann/recommendations"


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """A house that no test changes."""
    found = House(tmp_path_factory.mktemp("still"))
    yield found
    found.close()


@pytest.fixture
def house(tmp_path):
    found = House(tmp_path)
    yield found
    found.close()


def test_neutral_wishes_leave_the_answer_as_it_is(still):
    def told(**asked):
        slate = still.get(ANN, k=5, **asked)
        return {name: slate[name] for name in ("items", "notes", "next_cursor", "time_s")}

    plain = told()
    assert told(diversity=0) == plain
    assert told(objective=["relevance:1", "novelty:0"]) == plain
    assert told(reasons=True) == plain


def test_diversity_mixes_publishers_on_every_door(still):
    post, mail = set("abcde"), set("fghij")
    for path, params in (
        (ANN, {}),
        ("/v1/recommendations", {"item": ["a"]}),
        ("/v1/items/a/similar", {}),
    ):
        mixed = shown(still.get(path, k=2, diversity=1, **params))
        assert len(set(mixed) & post) == len(set(mixed) & mail) == 1, path


def test_objectives_move_what_they_name(still):
    assert shown(still.get(ANN, k=1, objective="freshness:1000")) == ["j"]
    # ann's past is a, of Post on tea: what is new to her is Mail's.
    new = shown(still.get(ANN, k=5, objective=["novelty:1000", "relevance:0"]))
    assert sorted(new) == list("fghij")
    assert set(still.get("/v1/admin/status")["objectives"]) == {
        "relevance",
        "freshness",
        "popularity",
        "novelty",
    }


@pytest.mark.parametrize(
    ("asked", "field", "rule"),
    [
        ({"objective": "joy:1"}, None, "no objective 'joy' — there are relevance, freshness"),
        ({"objective": "novelty"}, "query.objective", "name:weight"),
        ({"objective": ":1"}, "query.objective", "name:weight"),
        ({"objective": "novelty:much"}, "query.objective", "name:weight"),
        ({"objective": "novelty:nan"}, "query.objective", "name:weight"),
        ({"objective": "novelty:1001"}, "query.objective", "to 1000"),
        ({"objective": ["novelty:1", "novelty:1"]}, "query.objective", "twice"),
        ({"diversity": 1.1}, "query.diversity", "less than or equal to 1"),
        ({"diversity": "nan"}, "query.diversity", "finite"),
        ({"reasons": "perhaps"}, "query.reasons", "valid boolean"),
        ({"cursor": "x" * 48_001}, "query.cursor", "at most 48000"),
        ({"divrsity": 1}, "query.divrsity", "Extra inputs"),
        ({"max_age_days": "inf"}, "query.max_age_days", "finite"),
    ],
)
def test_wrong_wishes_are_told_in_words(still, asked, field, rule):
    answer = still.get(ANN, status=422, **asked)
    if field is None:
        assert rule in answer["detail"]
    else:
        assert [one["field"] for one in answer["problems"]] == [field]
        assert rule in answer["problems"][0]["rule"]


def test_reasons_are_left_out_where_they_are_not_wanted(still):
    with_reasons, without = (still.get(ANN, k=3, reasons=said) for said in (True, False))
    assert with_reasons["items"][0]["reasons"][0]["id"] == "a"
    assert [one["reasons"] for one in without["items"]] == [[], [], []]
    assert shown(without) == shown(with_reasons)


def test_a_visit_counts_before_what_is_known_of_a_user(still):
    visited = shown(still.get(ANN, k=9, item=["c", "b"]))
    assert not {"a", "b", "c"} & set(visited) and len(visited) == 7
    # Nothing follows c, so that all of the slate is for the a before it.
    assert shown(still.get(ANN, k=9, item=["c"], seen="only_again")) in (["c", "a"], ["a", "c"])
    # Whoever is not known is as their visit is.
    known = still.get("/v1/users/zoe/recommendations", item=["a"], k=4)
    assert shown(known) == shown(still.get("/v1/recommendations", item=["a"], k=4))
    assert "unknown item" in still.get(ANN, status=404, item="nope")["detail"]


def test_pages_never_repeat_an_item_whatever_happens_between(house):
    found, cursor, n_pages = [], None, 0
    while True:
        page = house.get(ANN, k=2, seen="allow", **({"cursor": cursor} if cursor else {}))
        found += shown(page)
        n_pages += 1
        house.watch(n_pages, "ann", "abcdefghij"[n_pages])
        house.watch(100 + n_pages, f"new {n_pages}", "a")
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert cursor.replace("-", "").replace("_", "").isalnum()
    assert len(found) == len(set(found)) and set(found) >= set("abcdefghij")
    assert n_pages == 6


def test_a_short_slate_has_no_cursor(still):
    assert still.get(ANN, k=20)["next_cursor"] is None
    assert still.get(ANN, k=3)["next_cursor"] is not None


def test_a_cursor_holds_for_its_own_question_alone(still):
    cursor = still.get(ANN, k=2)["next_cursor"]
    assert still.get(ANN, k=2, cursor=cursor)["items"]
    for path in ("/v1/users/eve/recommendations", "/v1/recommendations", "/v1/items/a/similar"):
        assert "another question" in still.get(path, status=422, cursor=cursor)["detail"]
    for damaged in (cursor[:-1], cursor[:20] + "A" + cursor[21:], "AAAA", "é", "A", "a b"):
        assert "damaged" in still.get(ANN, status=422, cursor=damaged)["detail"], damaged


def test_pages_of_visits_and_of_items_go_on_too(still):
    for path, params in (
        ("/v1/recommendations", {"item": ["a"]}),
        ("/v1/items/a/similar", {}),
    ):
        first = still.get(path, k=3, **params)
        second = still.get(path, k=3, cursor=first["next_cursor"], **params)
        assert len({*shown(first), *shown(second)}) == 6


def test_pages_end_at_a_thousand_items(still):
    cursor = write_cursor("user ann", [f"gone {n}" for n in range(995)])
    assert len(shown(still.get(ANN, k=5, cursor=cursor))) == 5
    answer = still.get(ANN, status=422, k=6, cursor=cursor)
    assert "995 items shown, and 6 more — pages reach to 1000" in answer["detail"]


def test_a_pin_stands_on_its_page_once(tmp_path):
    rules = NamedRules.model_validate({"pins": [{"item": "h", "place": 1}]})
    house = House(tmp_path, slate=NamedSlate(rules=rules))
    try:
        first = house.get(ANN, k=2)
        assert shown(first)[0] == "h"
        second = house.get(ANN, k=8, cursor=first["next_cursor"])
        assert "h" not in shown(second) and not set(shown(first)) & set(shown(second))
    finally:
        house.close()


def test_drawn_pages_are_the_same_again_and_disjoint(tmp_path):
    drawn = ExplorationSettings(method="softmax", temperature=5.0, seed=3)
    house = House(tmp_path, slate=NamedSlate(exploration=drawn))
    try:
        first = house.get(ANN, k=4)
        assert all(0 < one["propensity"] < 1 for one in first["items"])
        second, again = (house.get(ANN, k=4, cursor=first["next_cursor"]) for _ in range(2))
        assert shown(second) == shown(again) and second["next_cursor"] == again["next_cursor"]
        assert not set(shown(first)) & set(shown(second))
    finally:
        house.close()


def test_every_slate_has_an_id_of_its_own(still):
    ids = {still.get(ANN, k=1)["slate_id"] for _ in range(5)}
    assert len(ids) == 5 and all(len(one) == 36 and one[14] == "4" for one in ids)


def test_the_document_tells_ranges_and_examples_of_every_parameter(still):
    paths = still.get("/openapi.json")["paths"]
    (get,) = [one["get"] for path, one in paths.items() if path == "/v1/recommendations"]
    params = {one["name"]: one for one in get["parameters"]}
    assert params.keys() >= {"diversity", "objective", "reasons", "item", "cursor", "k"}
    assert all("description" in one for one in params.values())
    number = params["diversity"]["schema"]["anyOf"][0]
    assert (number["minimum"], number["maximum"]) == (0, 1)
