"""Diversity, objectives and pages: what one request may ask of a pipeline's stages."""

from dataclasses import replace

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.events.catalogue import Catalogue
from graphrec.events.descriptions import ItemDescription
from graphrec.pipeline import Pipeline, Request
from graphrec.pipeline.item_names import coded_names, facts_of
from graphrec.pipeline.objectives import WeighingRanker
from graphrec.pipeline.request import after_visit
from graphrec.retrieval.filters import ItemFilters
from graphrec.slate.arranger import SlateArranger
from graphrec.slate.exploration import Arms, ExplorationSettings, Explorer
from graphrec.slate.facts import ItemFacts
from graphrec.slate.mmr import MmrSettings
from graphrec.slate.settings import SlateSettings
from graphrec.slate.similarity import SimilaritySettings
from graphrec.stages import Candidates, Queries
from tests.worlds import small_dataset, watched

DAY = 86_400
NOW = 100 * DAY
# Items a, b, c are Post's on tea, d and e Mail's, f is nobody's.
ITEMS = {
    "item_id": list("abcdef"),
    "publisher": [["Post"], ["Post"], ["Post"], ["Mail"], ["Mail"], []],
    "keywords": [["tea"], ["tea"], ["tea"], ["oil"], ["oil", "war"], []],
    "published_s": [NOW - 7 * DAY, NOW - 14 * DAY, NOW, NOW - 21 * DAY, None, None],
}


class Fixed:
    """A source that finds the same items for everybody, best first."""

    name = "fixed"

    def __init__(self, rows, scores):
        self.rows, self.scores = rows, scores

    def fit(self, events, cut_s):
        pass

    def absorb(self, events):
        pass

    def score(self, queries):
        raise AssertionError("nobody asks for every score")

    def retrieve(self, queries, k, eligibility):
        kept = [
            (row, score)
            for row, score in zip(self.rows, self.scores, strict=True)
            if eligibility.allowed is None or eligibility.allowed[row]
        ][:k]
        n = len(queries)
        rows = np.full((n, k), -1, np.int32)
        scores = np.full((n, k), -np.inf, np.float32)
        rows[:, : len(kept)] = [row for row, _ in kept]
        scores[:, : len(kept)] = [score for _, score in kept]
        found = (rows >= 0).astype(np.int8) - 1
        blank = np.full((n, k), -1, np.int32)
        return Candidates(rows, scores, found, ("fixed",), blank, np.zeros((n, k), np.float32))


def dataset():
    # a is watched 3 times, d once, f first 7 days ago.
    rows = [(1, "u", "a"), (2, "v", "a"), (3, "w", "a"), (4, "u", "d"), (NOW - 7 * DAY, "v", "f")]
    return small_dataset(rows, ITEMS)


def pipeline(arranger=None, ranker=None):
    source = Fixed([0, 1, 2, 3, 4, 5], [6, 5, 4, 3, 2, 1])
    return Pipeline(dataset(), source, ranker, arranger, cut_s=NOW)


def nobody(time_s=NOW, past=()):
    return Queries.of_sessions([np.array(past, np.int32)], time_s)


def shown(pipe, queries=None, **asked):
    slate = pipe.recommend(queries or nobody(), Request(**asked))
    return slate.shown.item_row[0].tolist()


def test_without_wishes_and_with_neutral_ones_the_answer_is_the_same_to_the_bit():
    pipe = pipeline()
    plain = pipe.recommend(nobody(), Request(k=4))
    for asked in (
        Request(k=4, diversity=0.0),
        Request(k=4, objectives={"relevance": 1.0, "novelty": 0.0}),
    ):
        slate = pipe.recommend(nobody(), asked)
        assert slate.shown.item_row.tolist() == plain.shown.item_row.tolist()
        assert slate.shown.score.tobytes() == plain.shown.score.tobytes()
        assert slate.notes == plain.notes


def test_diversity_without_an_arranger_shows_other_publishers_and_keywords_first():
    # Of Post's a, b, c one comes; then f, like nobody, and Mail's d, before any of the same again.
    assert shown(pipeline(), k=3) == [0, 1, 2]
    assert shown(pipeline(), k=3, diversity=1.0) == [0, 3, 5]
    half = shown(pipeline(), k=6, diversity=0.5)
    assert half[0] == 0 and sorted(half) == list(range(6))
    # b: .5 * .8 - .5 * 1 < d: .5 * .4 - 0, so that d comes second.
    assert half[1] == 3


def test_diversity_says_so_where_nothing_tells_what_is_alike():
    bare = small_dataset([(1, "u", "a"), (2, "u", "b")])
    pipe = Pipeline(bare, Fixed([0, 1], [2, 1]), cut_s=NOW)
    slate = pipe.recommend(nobody(), Request(k=2, diversity=0.9))
    assert slate.shown.item_row.tolist() == [[0, 1]]
    assert any("not diversified" in note for note in slate.notes)


FACTS = ItemFacts(6, groups={"publisher": np.array([0, 0, 0, 1, 1, -1], np.int32)})


@pytest.mark.parametrize("method", ["none", "mmr", "dpp"])
def test_diversity_turns_the_pipelines_own_arranger(method):
    settings = SlateSettings(
        diversity=method,
        similarity=SimilaritySettings(vectors=0, publisher=1),
        mmr=MmrSettings(diversity=0.0),
    )
    pipe = pipeline(SlateArranger(FACTS, settings))
    assert shown(pipe, k=3, diversity=0.0) == [0, 1, 2]
    assert shown(pipe, k=3, diversity=1.0) == [0, 3, 5]
    # The arranger itself is as it was.
    assert shown(pipe, k=3) == ([0, 3, 5] if method == "dpp" else [0, 1, 2])


def test_an_arranger_that_takes_no_diversity_says_so():
    class Plain:
        def arrange(self, queries, candidates, k):
            raise AssertionError

    with pytest.raises(DataError, match="made by Plain, which takes none"):
        shown(pipeline(Plain()), k=3, diversity=0.5)


def test_objectives_of_no_training_weigh_as_their_formulas_say():
    pipe = pipeline()

    def values(name, past=()):
        slate = pipe.recommend(
            nobody(past=past), Request(k=6, objectives={"relevance": 0.0, name: 1.0})
        )
        row, score = slate.shown.item_row[0].tolist(), slate.shown.score[0].tolist()
        return [dict(zip(row, score, strict=True))[item] for item in range(6)]

    # Ages 7, 14, 0, 21 days; e was never published nor watched, f was first watched 7 days ago.
    assert values("freshness") == pytest.approx([0.5, 0.25, 1.0, 0.125, 0.0, 0.5])
    log2, log4 = np.log(2), np.log(4)
    assert values("popularity") == pytest.approx([1, 0, 0, log2 / log4, 0, log2 / log4])
    # The past is d: of e's names Mail, oil, war one is new; nothing of d is; f bears none.
    assert values("novelty", [3]) == pytest.approx([1, 1, 1, 0, 1 / 3, 0])
    both = pipe.recommend(nobody(), Request(k=6, objectives={"freshness": 2.0})).shown
    assert both.item_row[0].tolist() == [2, 0, 1, 5, 3, 4]
    assert both.score[0, 0] == pytest.approx(0.6 + 2.0)


def test_equal_values_keep_the_order_of_the_ranking():
    assert shown(pipeline(), k=6, objectives={"relevance": 0.0}) == [0, 1, 2, 3, 4, 5]


def test_an_unknown_objective_is_refused_with_those_there_are():
    with pytest.raises(DataError, match="no objective 'joy' — there are relevance, freshness"):
        shown(pipeline(), objectives={"joy": 1.0})


class Weighable:
    """A ranker of two objectives: `low` likes high rows, `up` low ones."""

    def __init__(self, weights):
        self.objectives = weights

    def weighing(self, weights):
        return Weighable({**self.objectives, **weights})

    def rank(self, queries, candidates):
        row = candidates.item_row.astype(np.float32)
        value = self.objectives["low"] * row - self.objectives["up"] * row
        score = np.where(candidates.item_row < 0, -np.inf, value).astype(np.float32)
        order = np.argsort(-score, axis=1, kind="stable")
        moved = candidates.at_columns(order)
        return replace(moved, score=np.take_along_axis(score, order, axis=1))


def test_objectives_of_the_ranker_are_weighed_by_the_ranker():
    pipe = pipeline(ranker=Weighable({"up": 1.0, "low": 0.0}))
    assert pipe.objectives["up"] == 1.0 and pipe.objectives["relevance"] == 1.0
    assert shown(pipe, k=3) == [0, 1, 2]
    assert shown(pipe, k=3, objectives={"low": 2.0}) == [5, 4, 3]
    assert shown(pipe, k=3) == [0, 1, 2]
    # Both kinds at once: relevance is then what the reweighed ranker says.
    assert shown(pipe, k=2, objectives={"low": 2.0, "freshness": 5.0}) == [2, 5]


def test_the_pipeline_counts_what_it_absorbs():
    pipe = pipeline()
    for _ in range(9):
        pipe.absorb(watched([(NOW, 0, 4)], n_items=6))
    pipe.cut_s = NOW + 1
    asked = {"relevance": 0.0, "popularity": 1.0}
    assert shown(pipe, nobody(NOW + 1), k=1, objectives=asked) == [4]


def test_earlier_pages_are_left_out_and_later_items_still_come():
    pipe = pipeline()
    assert shown(pipe, k=2, shown_before=(0, 2)) == [1, 3]
    assert shown(pipe, k=2, shown_before=(0, 2), diversity=1.0) == [1, 3]
    assert shown(pipe, k=6, shown_before=(0, 77)) == [1, 2, 3, 4, 5, -1]
    filters = ItemFilters(deny=("b",))
    assert shown(pipe, k=2, shown_before=(0, 2), filters=filters) == [3, 4]


def test_places_of_a_later_page_have_draws_of_their_own():
    settings = SlateSettings(exploration=ExplorationSettings(method="epsilon", epsilon=1.0))
    source = Fixed(list(range(400)), list(range(400, 0, -1)))
    everything = type("All", (), {"allowed": None})
    candidates, k = source.retrieve(nobody(), 400, everything), 40
    plain = SlateArranger(ItemFacts(400), settings)
    first = plain.arrange(nobody(), candidates, k).shown.item_row
    same = plain.asked(None, k).arrange(nobody(), candidates, k).shown.item_row
    later = plain.asked(None, k, n_before=k).arrange(nobody(), candidates, k).shown.item_row
    assert same.tolist() == first.tolist()
    assert (first == later).mean() < 0.2
    arms = Arms(np.arange(9, dtype=np.int32), *np.zeros((3, 9)), one_item=True)
    long_visit, second_page = (Explorer(settings.exploration, nobody(), 0, n) for n in (0, 5))
    for place in range(4):
        assert second_page.draw(place, arms, np.arange(9)) == long_visit.draw(
            place + 5, arms, np.arange(9)
        )


def test_a_visit_stands_before_the_history_a_second_before_the_question():
    query = dataset_queries = pipeline().queries_of(np.array([0], np.int32), NOW)
    found = after_visit(query, np.array([5, 4], np.int32))
    assert found.history_item.tolist() == [5, 4, *dataset_queries.history_item.tolist()]
    assert found.history_time_s[:2].tolist() == [NOW - 1, NOW - 1]
    assert found.history_ptr.tolist() == [0, 4]
    assert after_visit(query, np.empty(0, np.int32)) is query


def test_names_are_read_as_they_are_told_now_and_none_of_unknown_rows():
    told = catalogue(
        {
            "item_id": ["a", "b", "c"],
            "publisher": [["P"], [], ["Q"]],
            "keywords": [["x", "y"], [], ["y", "y"]],
        }
    )
    rows = np.array([1, 0, 7, 2, 0, -1], np.int32)

    def names(column):
        ptr, code = coded_names(told, column, rows)
        return np.diff(ptr).tolist(), code.tolist()

    assert names("publisher") == ([0, 1, 0, 1, 1, 0], [0, 1, 0])
    assert names("keywords") == ([0, 2, 0, 2, 2, 0], [0, 1, 1, 1, 0, 1])
    facts = facts_of(told, rows)
    assert facts.groups["publisher"].tolist() == [-1, 0, -1, 1, 0, -1]
    assert facts.keyword_ptr.tolist() == [0, 0, 2, 2, 4, 6, 6]
    bare = facts_of(told, np.array([1], np.int32))
    assert bare.groups == {} and bare.keyword is None
    # What is said live holds from then on, of new items, too.
    told.put({1: ItemDescription(publishers=("Q",)), 7: ItemDescription(publishers=("P", "R"))})
    assert names("publisher") == ([1, 1, 2, 1, 1, 0], [0, 1, 1, 2, 0, 1])
    assert names("keywords") == ([0, 2, 0, 2, 2, 0], [0, 1, 1, 1, 0, 1])


def catalogue(items=ITEMS):
    data = small_dataset([(1, "u", key) for key in items["item_id"]], items)
    return Catalogue(data, data.log.interactions())


def test_a_ranker_that_weighs_returns_all_candidates_and_padding_last():
    source = Fixed([0, 1, 2], [3, 2, 1])
    found = source.retrieve(nobody(), 5, type("All", (), {"allowed": None}))
    ranked = WeighingRanker(None, {"freshness": 1.0}, catalogue()).rank(nobody(), found)
    assert ranked.item_row.tolist() == [[2, 0, 1, -1, -1]]
    assert ranked.score[0, 3:].tolist() == [-np.inf, -np.inf]


def test_an_item_that_is_described_live_is_weighed_by_what_is_said():
    pipe = pipeline()
    fresh = {"relevance": 0.0, "freshness": 1.0}
    assert shown(pipe, nobody(NOW), k=1, objectives=fresh) == [2]
    pipe.describe_items({5: ItemDescription(published_s=NOW), 2: ItemDescription(published_s=1)})
    assert shown(pipe, nobody(NOW), k=1, objectives=fresh) == [5]
