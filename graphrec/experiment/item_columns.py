"""Columns of the items table become numbers and categories."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from graphrec.errors import SettingsError
from graphrec.tgn.item_features import ItemFeatures

_NO_FEATURES = ("item_id", "publisher", "keywords")


def item_features_of(items: pl.DataFrame, columns: Sequence[str]) -> ItemFeatures | None:
    """The named columns; numbers stay numbers, text and true/false become categories.

    Args:
        items: One row per item row.
        columns: Which of its columns; none: None comes back.

    Raises:
        SettingsError: A column is not there, is no feature, or holds neither numbers nor text.
    """
    if not columns:
        return None
    numbers, categories, sizes = [], [], []
    for name in columns:
        if name in _NO_FEATURES or name not in items.columns:
            there = ", ".join(c for c in items.columns if c not in _NO_FEATURES) or "none"
            raise SettingsError(f"item_features: {name} — one of the items' columns: {there}")
        column = items[name]
        if column.dtype.is_numeric() or column.dtype.is_temporal():
            plain = column.to_physical() if column.dtype.is_temporal() else column
            number = plain.cast(pl.Float64).fill_null(float("nan")).to_numpy()
            # Times in seconds do not fit float32: what is constant leaves first.
            middle = np.nanmedian(number) if np.isfinite(number).any() else 0.0
            number = np.where(np.isfinite(number), number - middle, np.nan)
            numbers.append(number.astype(np.float32))
        elif column.dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
            text = column.cast(pl.String)
            values = text.drop_nulls().unique().sort()
            code = text.replace_strict(
                values, pl.Series(range(len(values)), dtype=pl.Int64), default=-1
            )
            categories.append(code.fill_null(-1).to_numpy())
            sizes.append(len(values))
        else:
            raise SettingsError(
                f"item_features: {name} is of type {column.dtype} — numbers, times, text or "
                "true/false"
            )
    return ItemFeatures(
        _columns(numbers, np.float32, items), _columns(categories, np.int64, items), tuple(sizes)
    )


def _columns(parts: list[np.ndarray], dtype: type, items: pl.DataFrame) -> np.ndarray:
    if not parts:
        return np.empty((len(items), 0), dtype)
    return np.stack(parts, axis=1).astype(dtype)
