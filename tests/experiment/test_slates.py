"""Slates by ids and names: rows of what is known, refusals of what is not."""

from datetime import UTC, datetime

import numpy as np
import pytest

from graphrec.arrays import NEVER_S
from graphrec.errors import SettingsError
from graphrec.events.dataset import Dataset
from graphrec.experiment.named_items import column_of_names, named_items_of
from graphrec.experiment.slates import (
    NamedSlate,
    build_arranger,
    item_facts,
    refuse_unknown_names,
)
from graphrec.stages import Candidates, Queries
from tests.worlds import small_dataset


@pytest.fixture
def dataset() -> Dataset:
    return small_dataset(
        [(1, "ann", "a"), (2, "bob", "b"), (3, "ann", "c")],
        {
            "item_id": ["a", "b", "c", "d"],
            "publisher": [["zed"], ["amy"], None, ["zed", "amy"]],
            "keywords": [["x", "y", "x"], [], None, ["y"]],
            "category": ["film", None, "film", "news"],
            "adult": [True, None, False, False],
        },
    )


def slate(**rules: object) -> NamedSlate:
    return NamedSlate.model_validate({"rules": rules})


def shown(dataset: Dataset, settings: NamedSlate) -> list[int]:
    item = np.array([[0, 1, 2, 3]], np.int32)
    found = Candidates(
        item,
        np.array([[4, 3, 2, 1]], np.float32),
        np.zeros((1, 4), np.int8),
        ("one",),
        np.full((1, 4), -1, np.int32),
        np.zeros((1, 4), np.float32),
    )
    queries = Queries.of_sessions([np.empty(0, np.int32)], 10)
    arranged = build_arranger(settings, dataset).arrange(queries, found, 4)
    return [row for row in arranged.shown.item_row[0].tolist() if row >= 0]


def test_names_are_rows_in_their_order(dataset) -> None:
    publisher = column_of_names(dataset, "publisher")
    assert publisher.names == ("amy", "zed")
    assert publisher.ptr.tolist() == [0, 1, 2, 2, 4]
    assert publisher.name_row.tolist() == [1, 0, 1, 0]
    assert publisher.rows(["zed"]) == (1,)
    assert column_of_names(dataset, "category").names == ("film", "news")
    assert column_of_names(dataset, "nothing").names == ()


def test_new_items_know_their_publisher_and_each_keyword_once(dataset) -> None:
    items = named_items_of(dataset)
    assert items.publisher_row.tolist() == [1, 0, -1, 1]
    assert items.keyword_ptr.tolist() == [0, 2, 2, 2, 3]
    assert items.keyword_row.tolist() == [0, 1, 1]
    assert items.published_s.tolist() == [NEVER_S] * 4


def test_facts_are_what_the_items_table_says(dataset) -> None:
    facts = item_facts(dataset)
    assert facts.groups["publisher"].tolist() == [1, 0, -1, 1]
    assert facts.groups["category"].tolist() == [0, -1, 0, 1]
    assert facts.flags["adult"].tolist() == [True, False, False, False]
    assert facts.keyword_ptr is not None


@pytest.mark.parametrize(
    ("rules", "rows"),
    [
        ({"deny_items": ["b"]}, [0, 2, 3]),
        ({"deny_publishers": ["zed"]}, [1, 2]),
        ({"allow_keywords": ["y"]}, [0, 3]),
        ({"allow_items": []}, []),
        ({"remove_flags": ["adult"]}, [1, 2, 3]),
        ({"pins": [{"item": "d", "place": 1}]}, [3, 0, 1, 2]),
        (
            {"pins": [{"item": "d", "place": 1, "until": datetime(1970, 1, 1, 0, 0, 10)}]},
            [0, 1, 2, 3],
        ),
        (
            {
                "pins": [
                    {"item": "d", "place": 1, "until": datetime(1970, 1, 1, 0, 0, 11, tzinfo=UTC)}
                ]
            },
            [3, 0, 1, 2],
        ),
    ],
)
def test_rules_by_name_act_on_rows(dataset, rules, rows) -> None:
    assert shown(dataset, slate(**rules)) == rows


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"deny_items": ["nope"]}, r"slate\.rules\.deny_items: unknown item 'nope'"),
        ({"allow_items": ["a", "nope"]}, r"slate\.rules\.allow_items: unknown item 'nope'"),
        ({"deny_publishers": ["eve"]}, r"deny_publishers: no item has publisher 'eve' — 2"),
        ({"allow_keywords": ["z"]}, r"allow_keywords: no item has keywords 'z' — 2"),
        ({"pins": [{"item": "nope", "place": 1}]}, r"slate\.rules\.pins: unknown item 'nope'"),
        ({"remove_flags": ["category"]}, r"remove_flags: 'category' — .* are adult"),
    ],
)
def test_an_unknown_name_is_refused_by_name(dataset, rules, message) -> None:
    with pytest.raises(SettingsError, match=message):
        refuse_unknown_names(slate(**rules), dataset)


def test_any_of_its_publishers_denies_an_item_and_a_pin_of_it(dataset) -> None:
    assert shown(dataset, slate(deny_publishers=["amy"])) == [0, 2]
    assert shown(dataset, slate(deny_publishers=["zed"])) == [1, 2]
    assert shown(dataset, slate(allow_publishers=["amy"])) == [1, 3]
    assert shown(dataset, slate(allow_publishers=["zed"])) == [0, 3]
    both = slate(deny_publishers=["amy"], deny_items=["a"], pins=[{"item": "d", "place": 1}])
    assert shown(dataset, both) == [2]


def test_a_denied_second_publisher_is_denied_beside_items_that_nobody_described(dataset) -> None:
    facts = item_facts(dataset).widened(dataset.n_items + 2)
    assert facts.with_publisher((0,)).tolist() == [False, True, False, True, False, False]
