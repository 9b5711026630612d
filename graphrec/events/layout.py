"""Which files of a folder hold events, items, users and shown lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graphrec.errors import DataError
from graphrec.events.tables import READ_SUFFIXES, TABLE_SUFFIXES, TextForm

WRITTEN_MARK: Final = "dataset.json"
"""Stands in folders that graphrec wrote: edge types and format version."""
NAMES_FILE: Final = "names.parquet"

_LATIN: Final = "latin-1"
_MOVIES_DAT: Final = TextForm("::", ("item_id", "title", "genres"), quoted=False, encoding=_LATIN)
_USERS_DAT: Final = TextForm(
    "::", ("user_id", "gender", "age", "occupation", "zip"), quoted=False, encoding=_LATIN
)
_TAGS_DAT: Final = TextForm("::", ("user_id", "item_id", "tag", "timestamp"), quoted=False)
_BEHAVIORS: Final = TextForm(
    "\t", ("impression_id", "user_id", "time", "history", "impressions"), quoted=False
)
_NEWS: Final = TextForm(
    "\t",
    (
        "item_id",
        "category",
        "subcategory",
        "title",
        "abstract",
        "url",
        "title_entities",
        "abstract_entities",
    ),
    quoted=False,
)


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file and how to cut it; `form` is None where its ending and header say it.

    Attributes:
        path: The file.
        form: How a text file is cut.
        event_type: Type of its events where neither a column nor the caller names one.
    """

    path: Path
    form: TextForm | None = None
    event_type: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one data set.

    Attributes:
        events: At least one file of events; the caller's column map is for the first.
        items: Table of items.
        users: Table of users.
        impressions: Table of shown lists.
        genres_are_keywords: Whether the layout's genres serve as keywords.
        is_mind: Whether the events are a MIND behaviours file, which holds shown lists too.
        written: The mark of a folder that graphrec wrote.
        names: Publishers, keywords and contexts of such a folder in row order.
    """

    events: tuple[TableFile, ...]
    items: TableFile | None = None
    users: TableFile | None = None
    impressions: TableFile | None = None
    genres_are_keywords: bool = False
    is_mind: bool = False
    written: Path | None = None
    names: TableFile | None = None

    @property
    def paths(self) -> list[Path]:
        """Every file that is read, in a fixed order."""
        tables = [*self.events, self.items, self.users, self.impressions, self.names]
        return [t.path for t in tables if t is not None] + ([self.written] if self.written else [])


def find_layout(path: Path) -> Layout:
    """Find the files of a data set.

    Args:
        path: A folder in a known layout, or one file of events.

    Raises:
        DataError: There is nothing there, nothing known, or more than one choice.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder — give a folder or a file of events")
    if path.is_file():
        return _single_file(path)
    try:
        files = sorted(file for file in path.iterdir() if file.is_file())
    except OSError as error:
        raise DataError(f"{path}: cannot be read — {(error.strerror or '').lower()}") from error
    for finder in (_graphrec, _movielens, _recbole, _mind, _lone_table):
        found = finder(files)
        if found is not None:
            return found
    listed = ", ".join(file.name for file in files[:20]) or "no files"
    raise DataError(
        f"{path}: holds {listed} — a data set is a folder with events.parquet, .csv or .jsonl, "
        "ratings.dat or ratings.csv (MovieLens), one .inter file (RecBole), interactions.csv "
        "(Personalize), behaviors.tsv (MIND), or one table of events"
    )


def _single_file(path: Path) -> Layout:
    if path.suffix.lower() not in READ_SUFFIXES:
        raise DataError(
            f"{path}: unsupported file type {path.suffix or 'without ending'!r} — events are read "
            f"from {', '.join(READ_SUFFIXES)}"
        )
    if path.name == "behaviors.tsv":
        return Layout((TableFile(path, _BEHAVIORS),), is_mind=True)
    return Layout((TableFile(path),))


def _graphrec(files: Sequence[Path]) -> Layout | None:
    events = _table("events", files) or _table("interactions", files)
    if events is None:
        return None
    written = next((file for file in files if file.name == WRITTEN_MARK), None)
    names = next((file for file in files if file.name == NAMES_FILE), None)
    return Layout(
        (events,),
        _table("items", files),
        _table("users", files),
        _table("impressions", files),
        genres_are_keywords=events.path.stem == "interactions",
        written=written,
        names=TableFile(names) if written and names else None,
    )


def _movielens(files: Sequence[Path]) -> Layout | None:
    by_name = {file.name: file for file in files}
    if "ratings.dat" in by_name:
        events = [TableFile(by_name["ratings.dat"], event_type="rate")]
        if "tags.dat" in by_name:
            events.append(TableFile(by_name["tags.dat"], _TAGS_DAT, "tag"))
        movies = by_name.get("movies.dat")
        users = by_name.get("users.dat")
        return Layout(
            tuple(events),
            TableFile(movies, _MOVIES_DAT) if movies else None,
            TableFile(users, _USERS_DAT) if users else None,
            genres_are_keywords=True,
        )
    if "ratings.csv" not in by_name:
        return None
    events = [TableFile(by_name["ratings.csv"], event_type="rate")]
    if "tags.csv" in by_name:
        events.append(TableFile(by_name["tags.csv"], event_type="tag"))
    movies = by_name.get("movies.csv")
    items = TableFile(movies) if movies else None
    return Layout(tuple(events), items, genres_are_keywords=True)


def _recbole(files: Sequence[Path]) -> Layout | None:
    inter = [file for file in files if file.suffix == ".inter"]
    if not inter:
        return None
    if len(inter) > 1:
        raise DataError(f"{_names(inter)}: more than one file of events — name the one to read")
    tables = {file.suffix: TableFile(file) for file in files if file.stem == inter[0].stem}
    return Layout(
        (TableFile(inter[0]),), tables.get(".item"), tables.get(".user"), genres_are_keywords=True
    )


def _mind(files: Sequence[Path]) -> Layout | None:
    by_name = {file.name: file for file in files}
    if "behaviors.tsv" not in by_name:
        return None
    news = by_name.get("news.tsv")
    items = TableFile(news, _NEWS) if news else None
    return Layout((TableFile(by_name["behaviors.tsv"], _BEHAVIORS),), items, is_mind=True)


def _lone_table(files: Sequence[Path]) -> Layout | None:
    beside = {"items", "users", "impressions"}
    tables = [f for f in files if f.suffix.lower() in TABLE_SUFFIXES and f.stem not in beside]
    if len(tables) != 1:
        return None
    return Layout(
        (TableFile(tables[0]),),
        _table("items", files),
        _table("users", files),
        _table("impressions", files),
    )


def _table(stem: str, files: Sequence[Path]) -> TableFile | None:
    found = [f for f in files if f.stem.lower() == stem and f.suffix.lower() in TABLE_SUFFIXES]
    if len(found) > 1:
        raise DataError(f"{_names(found)}: more than one table of {stem} — keep one of them")
    return TableFile(found[0]) if found else None


def _names(files: Sequence[Path]) -> str:
    return f"{files[0].parent}: " + ", ".join(file.name for file in files)
