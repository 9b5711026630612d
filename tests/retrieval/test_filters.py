"""Filters let through what the rules say and name what they do not know."""

import numpy as np
import pytest

from graphrec.arrays import DAY_S
from graphrec.errors import DataError, SettingsError, UnknownIdError
from graphrec.events.catalogue import Catalogue
from graphrec.events.dataset import Dataset
from graphrec.retrieval.filters import ItemFilters, allowed_items
from tests.worlds import small_dataset

NOW = 100 * DAY_S


def allowed(dataset: Dataset, filters: ItemFilters, at_s: int):
    catalogue = Catalogue(dataset, dataset.log.interactions())
    return allowed_items(catalogue, dataset.ids["item"], filters, at_s)


@pytest.fixture
def dataset() -> Dataset:
    return small_dataset(
        [(10 * DAY_S, "ann", "a"), (50 * DAY_S, "ann", "b")],
        {
            "item_id": ["a", "b", "c", "d"],
            "publisher": [["Pixar"], ["Pixar", "Fox"], ["Fox"], None],
            "keywords": [["toy"], ["space"], [], ["toy", "space"]],
            "published_s": [None, 40 * DAY_S, 90 * DAY_S, 200 * DAY_S],
        },
    )


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"allow": ("a", "c")}, [True, False, True, False]),
        ({"allow": ()}, [False] * 4),
        ({"deny": ("a",)}, [False, True, True, True]),
        ({"publishers": ("Fox",)}, [False, True, True, False]),
        ({"publishers": ("Fox", "Pixar")}, [True, True, True, False]),
        ({"keywords": ("toy", "space")}, [True, True, False, True]),
        ({"keywords": ("toy",), "deny": ("a",)}, [False, False, False, True]),
        # Ages at day 100: a 90 days (first event), b 60, c 10, d not out for another 100.
        ({"min_age_days": 60}, [True, True, False, False]),
        ({"max_age_days": 60}, [False, True, True, False]),
        ({"min_age_days": 20, "max_age_days": 70}, [False, True, False, False]),
    ],
)
def test_allowed_items_are_those_that_meet_every_rule(
    dataset: Dataset, filters: dict[str, object], expected: list[bool]
) -> None:
    mask = allowed(dataset, ItemFilters.model_validate(filters), NOW)
    assert mask is not None
    np.testing.assert_array_equal(mask, expected)


def test_no_rule_gives_no_mask(dataset: Dataset) -> None:
    assert allowed(dataset, ItemFilters(), NOW) is None


@pytest.mark.parametrize(
    ("filters", "error", "message"),
    [
        ({"deny": ("zz",)}, UnknownIdError, "unknown item 'zz'"),
        ({"publishers": ("Nobody",)}, DataError, "no item has publisher 'Nobody'"),
        ({"min_age_days": 5, "max_age_days": 2}, SettingsError, "above max_age_days"),
    ],
)
def test_wrong_rules_are_refused_by_name(
    dataset: Dataset, filters: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        allowed(dataset, ItemFilters.model_validate(filters), NOW)


def test_a_log_without_the_column_cannot_be_filtered_by_it() -> None:
    bare = small_dataset([(1, "ann", "a")])
    with pytest.raises(DataError, match="no such column"):
        allowed(bare, ItemFilters(keywords=("toy",)), NOW)
