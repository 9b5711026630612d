import numpy as np
import pytest
from scipy import stats

from graphrec.errors import DataError
from graphrec.slate.arranger import SlateArranger
from graphrec.slate.demotion import DemotionSettings, ShownMemory
from graphrec.slate.exploration import ExplorationSettings
from graphrec.slate.facts import ItemFacts
from graphrec.slate.mmr import MmrSettings
from graphrec.slate.quotas import QuotaSettings
from graphrec.slate.rules import Pin, RuleSettings
from graphrec.slate.settings import SlateSettings
from graphrec.slate.similarity import ItemSimilarity, SimilaritySettings
from tests.slate.catalogue import drawn_facts, ranked, visits

PUBLISHER = np.array([0, 0, 0, 1, 1, 2], np.int32)
FACTS = ItemFacts(6, groups={"publisher": PUBLISHER})
BY_PUBLISHER = SimilaritySettings(vectors=0, publisher=1)
FIVE = ranked([[0, 1, 2, 3, 4]], [[1.0, 0.8, 0.6, 0.4, 0.2]])


def arranged(settings: SlateSettings, k: int = 5, found=FIVE, **state):
    slate = SlateArranger(FACTS, settings, **state).arrange(visits([1]), found, k)
    return slate, slate.shown.item_row[0].tolist()


def test_without_settings_a_slate_is_the_ranking_and_nothing_is_drawn():
    slate, items = arranged(SlateSettings(), 3)
    assert items == [0, 1, 2]
    assert slate.propensity is None
    assert slate.notes == ()
    assert slate.decisions == ()


def test_the_worked_example_of_marginal_relevance_comes_through_the_arranger():
    # A1 1, A2 .8, B1 .6, B2 .4, C .2: items 0, 1 of one publisher, 3, 4 of another, 5 of a third.
    found = ranked([[0, 1, 3, 4, 5]], [[1.0, 0.8, 0.6, 0.4, 0.2]])
    settings = SlateSettings(
        diversity="mmr", similarity=BY_PUBLISHER, mmr=MmrSettings(diversity=0.5)
    )
    assert arranged(settings, 5, found)[1] == [0, 3, 5, 1, 4]


def test_rules_come_before_diversity_and_pins_after_everything():
    settings = SlateSettings(
        rules=RuleSettings(deny_items=(0,), pins=(Pin(item_row=5, place=1),)),
        diversity="mmr",
        similarity=BY_PUBLISHER,
        mmr=MmrSettings(diversity=0.9),
    )
    slate, items = arranged(settings)
    assert items == [1, 5, 3, 2, 4]
    assert [(line.item_row, line.rule, line.action) for line in slate.decisions] == [
        (0, "deny", "removed"),
        (5, "pin", "pinned"),
    ]
    assert slate.shown.source_names == ("drawn", "pinned")
    assert slate.shown.source[0].tolist() == [0, 1, 0, 0, 0]


def test_a_pinned_candidate_that_a_rule_removes_is_told_of_once():
    rules = RuleSettings(deny_items=(0,), pins=(Pin(item_row=0, place=0),))
    slate, items = arranged(SlateSettings(rules=rules), 2)
    assert items == [1, 2]
    assert [(line.item_row, line.action) for line in slate.decisions] == [(0, "removed")]


def test_an_item_shown_before_sinks_and_a_line_says_how_far():
    memory = ShownMemory(half_life_days=30.0)
    for day in range(4):
        memory.absorb(1, 900_000 + day, np.array([0], np.int32))
    settings = SlateSettings(demotion=DemotionSettings(mode="places", places=1))
    slate, items = arranged(settings, memory=memory)
    assert items == [1, 2, 3, 0, 4]
    assert slate.decisions[0].detail == "shown 3.89 times, place 0 to 3"


def test_a_quota_moves_items_down_and_says_so_and_is_relaxed_with_a_note():
    settings = SlateSettings(quotas=(QuotaSettings(group="publisher", at_most=1, places=4),))
    slate, items = arranged(settings)
    assert items == [0, 3, 1, 2, 4]
    assert slate.notes == ("quota relaxed: publisher (1 of 1 queries)",)
    assert (1, "publisher quota") in [(line.item_row, line.rule) for line in slate.decisions]


def test_a_pin_below_a_short_slate_moves_up_to_its_end():
    settings = SlateSettings(rules=RuleSettings(pins=(Pin(item_row=5, place=4),)))
    assert arranged(settings, 5, ranked([[2, 3]]))[1] == [2, 3, 5, -1, -1]


@pytest.mark.parametrize("method", ["epsilon", "softmax", "thompson"])
def test_propensities_are_exact_under_quotas_pins_and_diversity_together(method):
    n = 2000
    settings = SlateSettings(
        rules=RuleSettings(pins=(Pin(item_row=5, place=1),)),
        diversity="mmr",
        similarity=BY_PUBLISHER,
        exploration=ExplorationSettings(
            method=method, epsilon=0.5, temperature=0.4, prior_skips=2, seed=3
        ),
        quotas=(QuotaSettings(group="publisher", at_most=1, places=3),),
    )
    found = ranked([[0, 1, 2, 3, 4]] * n)
    slate = SlateArranger(FACTS, settings).arrange(visits(list(range(n))), found, 3)
    items, chance = slate.shown.item_row, slate.propensity
    assert (items[:, 1] == 5).all()
    assert (chance[:, 1] == 1).all()
    # One of publisher 0 above leaves only items 3 and 4 for place 2, and the other way round.
    for above in range(5):
        rows = items[:, 0] == above
        third = set(items[rows, 2].tolist())
        assert not {PUBLISHER[item] for item in third} & {PUBLISHER[above]}
        check_frequencies(items[rows, 2], chance[rows, 2])
    check_frequencies(items[:, 0], chance[:, 0])


def check_frequencies(items: np.ndarray, chance: np.ndarray) -> None:
    found, n = np.unique(items, return_counts=True)
    logged = np.array([chance[items == item].mean(dtype=float) for item in found])
    assert logged.sum() == pytest.approx(1, abs=1e-3)
    assert stats.chisquare(n, logged / logged.sum() * len(items)).pvalue > 1e-4


def test_new_visits_of_a_user_are_drawn_anew():
    settings = SlateSettings(exploration=ExplorationSettings(method="epsilon", epsilon=1.0))
    arranger = SlateArranger(FACTS, settings)
    pages = [
        tuple(arranger.arrange(visits([1], time_s), FIVE, 5).shown.item_row[0].tolist())
        for time_s in range(20)
    ]
    assert len(set(pages)) > 10


def test_a_negative_length_or_a_missing_row_is_refused():
    arranger = SlateArranger(FACTS, SlateSettings())
    with pytest.raises(DataError, match="k = -1"):
        arranger.arrange(visits([1]), FIVE, -1)
    with pytest.raises(DataError, match="2 queries with 1 rows"):
        arranger.arrange(visits([1, 2]), FIVE, 3)


@pytest.mark.parametrize("diversity", [0.0, 0.3, 0.9])
def test_a_question_of_diversity_gives_what_such_settings_would(diversity):
    facts, k = drawn_facts(3), 6
    candidates = ranked([list(range(20))])
    method = "mmr" if diversity else "none"
    set_so = SlateSettings(diversity=method, mmr=MmrSettings(diversity=diversity, places=k))
    expected = SlateArranger(facts, set_so).arrange(visits([1]), candidates, k)
    asked = SlateArranger(facts, SlateSettings()).asked(diversity, k)
    found = asked.arrange(visits([1]), candidates, k)
    assert found.shown.item_row.tolist() == expected.shown.item_row.tolist()
    assert found.notes == expected.notes
    turned = SlateArranger(facts, SlateSettings(diversity="mmr")).asked(diversity, k)
    again = turned.arrange(visits([1]), candidates, k)
    assert again.shown.item_row.tolist() == expected.shown.item_row.tolist()


def test_facts_of_some_items_are_those_of_the_whole():
    facts = drawn_facts(4)
    rows = np.array([7, 0, 7, 29], np.int32)
    settings = SimilaritySettings(vectors=0.5, publisher=1, keywords=2)
    whole = ItemSimilarity(facts, settings).matrix(rows)
    part = ItemSimilarity(facts.taken(rows), settings).matrix(np.arange(4, dtype=np.int32))
    np.testing.assert_allclose(part, whole, rtol=1e-6)


def test_a_question_of_diversity_says_so_where_nothing_is_known():
    asked = SlateArranger(ItemFacts(30), SlateSettings()).asked(0.5, 4)
    slate = asked.arrange(visits([1]), ranked([[4, 3, 2, 1]]), 4)
    assert slate.shown.item_row.tolist() == [[4, 3, 2, 1]]
    assert any("not diversified" in note for note in slate.notes)
    # Who asks for none misses nothing.
    asked = SlateArranger(ItemFacts(30), SlateSettings(diversity="dpp")).asked(0.0, 4)
    assert asked.arrange(visits([1]), ranked([[4, 3, 2, 1]]), 4).notes == ()


@pytest.mark.parametrize("seed", range(3))
def test_room_for_new_items_changes_no_slate_and_is_then_there_for_all(seed):
    facts = drawn_facts(seed)
    settings = SlateSettings(
        rules=RuleSettings(deny_items=(2,), deny_publishers=(1,), remove_flags=("bad",)),
        diversity="mmr",
        similarity=SimilaritySettings(vectors=1, publisher=1, keywords=1),
        quotas=(QuotaSettings(group="category", at_most=2),),
        exploration=ExplorationSettings(method="softmax"),
    )
    found = ranked([[31, *range(0, 30, 2), 45], list(range(20))])
    cramped, roomy = SlateArranger(facts, settings), SlateArranger(facts, settings)
    roomy.grow(46)
    kept = roomy._similarity
    for candidates in (found, found.first(1), ranked([[5], [3, 4]])):
        one, other = (each.arrange(visits([1, 2]), candidates, 8) for each in (cramped, roomy))
        np.testing.assert_array_equal(one.shown.item_row, other.shown.item_row)
        np.testing.assert_array_equal(one.propensity, other.propensity)
        assert (one.notes, one.decisions) == (other.notes, other.decisions)
        is_new = candidates.item_row.max() >= 30
        assert ("nothing is known of item rows from 30 on" in one.notes) == is_new
    roomy.grow(46)
    assert roomy._similarity is kept
    assert cramped._facts is facts
