"""What is said of one item."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

NameColumn = Literal["publisher", "keywords"]
_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "row": pl.Int32,
    "title": pl.String,
    "publishers": pl.List(pl.String),
    "keywords": pl.List(pl.String),
    "published_s": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class ItemDescription:
    """All that is said of one item; what is left out is not known.

    Attributes:
        title: For people.
        publishers: Who published it, each once, the first one foremost.
        keywords: What it is about, each once.
        published_s: When it was published, UTC seconds; None: its first event is to tell.
    """

    title: str | None = None
    publishers: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    published_s: int | None = None

    def names(self, column: NameColumn) -> tuple[str, ...]:
        """Publishers or keywords."""
        return self.publishers if column == "publisher" else self.keywords


def table_of(said: Mapping[int, ItemDescription]) -> pl.DataFrame:
    """Descriptions by row as a table, which is kept as one part however many there are."""
    columns = {
        "row": list(said),
        "title": [one.title for one in said.values()],
        "publishers": [list(one.publishers) for one in said.values()],
        "keywords": [list(one.keywords) for one in said.values()],
        "published_s": [one.published_s for one in said.values()],
    }
    return pl.DataFrame(columns, schema=_SCHEMA)


def said_in(table: pl.DataFrame) -> dict[int, ItemDescription]:
    """The descriptions that a table was made of, in the same order."""
    return {
        row: ItemDescription(title, tuple(publishers), tuple(keywords), published_s)
        for row, title, publishers, keywords, published_s in table.select(list(_SCHEMA)).rows()
    }
