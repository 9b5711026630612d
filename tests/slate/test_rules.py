import numpy as np
import pytest

from graphrec.errors import SettingsError
from graphrec.slate.facts import ItemFacts
from graphrec.slate.rules import Pin, Rules, RuleSettings

# Item:      0    1    2  3      4
# publisher  0    1    1  -1     2
# keywords   5    5,6  -  6      -
FACTS = ItemFacts(
    5,
    groups={"publisher": np.array([0, 1, 1, -1, 2], np.int32)},
    keyword_ptr=np.array([0, 1, 3, 3, 4, 4], np.int64),
    keyword=np.array([5, 5, 6, 6], np.int32),
    flags={"bad": np.array([0, 0, 0, 0, 1], bool)},
)
ALL = np.arange(5, dtype=np.int32)


@pytest.mark.parametrize(
    ("rule", "kept", "detail"),
    [
        ({"deny_items": (1, 9)}, [0, 2, 3, 4], "item on the deny list"),
        ({"deny_publishers": (1,)}, [0, 3, 4], "publisher on the deny list"),
        ({"deny_keywords": (6,)}, [0, 2, 4], "keyword on the deny list"),
        ({"allow_items": (1, 2)}, [1, 2], "item not on the allow list"),
        ({"allow_publishers": (0, -1)}, [0], "publisher not on the allow list"),
        ({"allow_keywords": (5,)}, [0, 1], "no keyword on the allow list"),
        ({"allow_items": ()}, [], "item not on the allow list"),
        ({"remove_flags": ("bad",)}, [0, 1, 2, 3], "flagged bad"),
    ],
)
def test_each_list_removes_its_items_and_says_so(rule, kept, detail):
    decisions = []
    found = Rules(FACTS, RuleSettings(**rule)).keep(3, ALL, decisions)
    assert ALL[found].tolist() == kept
    assert [line.item_row for line in decisions] == [i for i in range(5) if i not in kept]
    assert {(line.query, line.action, line.detail) for line in decisions} == {
        (3, "removed", detail)
    }


def test_an_item_is_removed_once_by_the_first_rule_that_meets_it():
    decisions = []
    settings = RuleSettings(deny_items=(4,), allow_items=(4,), remove_flags=("bad",))
    Rules(FACTS, settings).keep(0, ALL, decisions)
    assert [line.rule for line in decisions if line.item_row == 4] == ["deny"]


def test_a_pin_holds_until_its_time_at_places_that_are_shown():
    settings = RuleSettings(pins=(Pin(item_row=2, place=1, until_s=100), Pin(item_row=3, place=7)))
    rules = Rules(FACTS, settings)
    decisions = []
    assert rules.pins_at(0, 99, 5, decisions) == {1: 2}
    assert [(line.rule, line.action) for line in decisions] == [("pin", "pinned")]
    assert rules.pins_at(0, 100, 5, []) == {}
    assert rules.pins_at(0, 100, 8, []) == {7: 3}


def test_a_rule_outweighs_a_pin_and_the_first_pin_a_second():
    pins = (
        Pin(item_row=4, place=0),
        Pin(item_row=2, place=1, until_s=9),
        Pin(item_row=3, place=1, until_s=9),
        Pin(item_row=2, place=2, until_s=9),
    )
    decisions = []
    rules = Rules(FACTS, RuleSettings(pins=pins, remove_flags=("bad",)))
    assert rules.pins_at(0, 0, 5, decisions) == {1: 2}
    assert [(line.item_row, line.action) for line in decisions] == [(4, "removed"), (2, "pinned")]


def test_missing_columns_are_noted_and_their_rules_left_out():
    settings = RuleSettings(deny_publishers=(1,), deny_keywords=(5,), remove_flags=("bad",))
    rules = Rules(ItemFacts(5), settings)
    assert len(rules.notes) == 3
    assert rules.keep(0, ALL, []).all()


def test_lasting_pins_of_one_place_or_item_are_refused():
    for pins in ([(1, 0), (2, 0)], [(1, 0), (1, 3)]):
        with pytest.raises(ValueError, match="each needs its own"):
            RuleSettings(pins=tuple(Pin(item_row=item, place=place) for item, place in pins))


def test_a_pin_of_an_item_without_a_row_is_refused():
    with pytest.raises(SettingsError, match="pin of item row 5"):
        Rules(FACTS, RuleSettings(pins=(Pin(item_row=5, place=0),)))
