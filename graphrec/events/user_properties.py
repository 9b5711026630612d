"""What callers keep of users: flat properties, as a column of the users table."""

import json
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from graphrec.events.ids import Key

COLUMN: Final = "properties"
"""Column of a users table that holds a flat JSON object for each user, or null."""


def properties_of(users: pl.DataFrame) -> dict[Key, Mapping[str, Any]]:
    """The properties of those users that have any."""
    if COLUMN not in users.columns or users.schema[COLUMN] != pl.String:
        return {}
    known = users.select("user_id", COLUMN).drop_nulls()
    return {key: json.loads(text) for key, text in known.iter_rows()}


def with_properties(
    users: pl.DataFrame, properties: Mapping[Key, Mapping[str, Any]]
) -> pl.DataFrame:
    """A users table with these properties and no others; without any, without the column."""
    users = users.drop(COLUMN, strict=False)
    if not properties:
        return users
    texts = [
        json.dumps(dict(properties[key]), ensure_ascii=False, sort_keys=True)
        if key in properties
        else None
        for key in users["user_id"].to_list()
    ]
    return users.with_columns(pl.Series(COLUMN, texts, pl.String))
