"""A data set knows titles and publication times, and falls back where they are missing."""

from graphrec.arrays import DAY_S, NEVER_S
from tests.worlds import small_dataset


def test_titles_fall_back_to_ids() -> None:
    dataset = small_dataset([(1, "ann", "a")], {"item_id": ["a", "b"], "title": ["Alpha", None]})
    assert [dataset.title(0), dataset.title(1)] == ["Alpha", "b"]
    assert small_dataset([(1, "ann", "a")]).title(0) == "a"


def test_publication_is_given_or_the_first_event_or_the_end_of_the_log() -> None:
    rows = [(5, "ann", "a"), (7, "bob", "a"), (9, "bob", "b")]
    bare = small_dataset(rows, {"item_id": ["a", "b", "c"]})
    assert bare.published_s().tolist() == [5, 9, 9]
    assert bare.given_published_s().tolist() == [NEVER_S] * 3
    given = small_dataset(rows, {"item_id": ["a", "b", "c"], "published_s": [DAY_S, None, 3]})
    assert given.published_s().tolist() == [DAY_S, 9, 3]
    assert given.given_published_s().tolist() == [DAY_S, NEVER_S, 3]
