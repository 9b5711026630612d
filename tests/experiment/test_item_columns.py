"""Columns of an items table become numbers and categories."""

import numpy as np
import polars as pl
import pytest

from graphrec.errors import SettingsError
from graphrec.experiment.item_columns import item_features_of

ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "length": [30, None, 90, 60],
        "published_s": [1_700_000_000, 1_700_000_001, 1_700_000_002, None],
        "language": ["no", "en", None, "en"],
        "is_free": [True, False, True, None],
        "keywords": [["x"], [], [], []],
    }
)


def test_numbers_and_categories_by_hand():
    features = item_features_of(ITEMS, ("language", "length", "published_s", "is_free"))
    np.testing.assert_array_equal(features.number[:, 0], [-30, np.nan, 30, 0])
    # Seconds since 1970 do not fit float32; their differences do.
    np.testing.assert_array_equal(features.number[:, 1], [-1, 0, 1, np.nan])
    assert features.category.T.tolist() == [[1, 0, -1, 0], [1, 0, 1, -1]]
    assert features.n_categories == (2, 2)
    assert features.n_columns == 4


def test_no_columns_are_no_features():
    assert item_features_of(ITEMS, ()) is None


@pytest.mark.parametrize("name", ["runtime", "keywords", "item_id"])
def test_a_column_that_is_no_feature_is_refused(name):
    with pytest.raises(SettingsError, match=f"item_features: {name} — one of the items' columns"):
        item_features_of(ITEMS, (name,))


def test_a_column_of_lists_is_refused():
    items = ITEMS.with_columns(pl.col("keywords").alias("cast"))
    with pytest.raises(SettingsError, match="item_features: cast is of type List"):
        item_features_of(items, ("cast",))
