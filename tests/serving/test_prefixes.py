"""Texts by how they begin, after any additions and removals."""

import copy
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from graphrec.serving.prefixes import SortedTexts

TEXTS = st.text("abü", max_size=3)


@given(st.lists(TEXTS), st.lists(st.tuples(st.booleans(), TEXTS)), TEXTS)
def test_they_are_those_of_a_set(first, changes, prefix):
    texts, expected = SortedTexts(first), set(first)
    twin = copy.deepcopy(texts)
    for is_added, text in changes:
        if is_added:
            texts.add(text)
            expected.add(text)
        else:
            texts.drop(text)
            expected.discard(text)
        assert (text in texts) == is_added
    assert list(texts.starting_with(prefix)) == sorted(
        text for text in expected if text.startswith(prefix)
    )
    assert list(twin.starting_with("")) == sorted(set(first))


def test_many_additions_are_merged_and_removals_stay_removed():
    texts = SortedTexts(["b"])
    texts.drop("b")
    for number in range(1500):
        texts.add(f"a{number:04}")
        if number == 700:
            texts.drop("a0003")
    twin = copy.deepcopy(texts)
    assert list(texts.starting_with("b")) == [] and "a0003" not in texts
    found = [text for _, text in zip(count(), texts.starting_with(""), strict=False)]
    assert len(found) == 1499 and found == sorted(found)
    texts.add("a0003")
    assert "a0003" in texts and "a0003" not in twin
