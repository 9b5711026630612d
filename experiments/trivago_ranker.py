"""Does a learned ranker order shown hotels better than they were shown, and is it the graph?

Data: trivago-100k, two days of sessions with 13,597 shown lists of up to 25 hotels and their click.
Protocol: time split by lists, the first .05 warm up, then training to .70, validation to .85, test
after. Every list is asked for as of the second it was shown in: what happened before, of all users,
is known, and neither the list nor its click. Items that are shown but never touched have rows like
the others. Choices were made on validation alone. Figures of learned rankers are means over three
seeds; intervals draw users, tests swap two orders for whole users, Holm over four comparisons.

Position bias: people click what they look at, and look at what stands first. Three views:

- as logged: what the next click will be if the same lists are shown. It favours whoever knows the
  order shown: an order that agrees with what was looked at is paid for clicks it caused.
- reweighted: each list by 1 / examination of the place of its click, estimated on training lists
  from items shown at several places. Items that suit a visitor and were placed high for that make
  upper places look more examined than they are; few low clicks weigh much. The cap on weights
  trades that noise for bias.
- lists whose click is below place five: only visitors who looked so far. The order shown cannot do
  well there by construction, so it compares rankers with each other.

No list was shown in an order drawn at random, so nothing here is free of the bias for certain.
Run: `python -m experiments.trivago_ranker DATA`; results lie beside this file.

Answer: it does, and it is not the graph. As logged, NDCG@10 / MRR on 2,040 test lists of 1,044
users: ranker .677/.615, the order shown .500/.438, popularity .373/.345, and the strongest plain
order, last met first and then as shown, .643/.592; the ranker is ahead of each (p .002 by Holm).
Without the features of the graph it has .677 as well (difference .000, -.002 to .001, p .57): of
2,040 lists only 166 hold a hotel that the user has not met and that others' steps lead to, and
there the graph adds .001. What counts is the session: without the user's own past with each hotel
and its places and prices in the list, .646, about what last met first has.

Position: the first place gets 31 % of its showings clicked, the second 10 %, the last 1.6 %. Items
shown at several places put nearly all of that down to looking (1, .37, .27, .22 ... .07).
Reweighted, the order shown falls to .204 and last met first to .469; the ranker has .539, ahead of
each (p .002). Rankers that are not told the place have .582 as logged (.570 with the place as a
feature fixed when scoring, .571 and .580 with LightGBM's own correction) and .547 to .557
reweighted, the place as a feature first there (.532 to .582), as on validation. So part of the
ranker's lead as logged is its knowing the order shown; the rest is not.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from graphrec.evaluation.intervals import IntervalSettings, bootstrap_means, compare_with
from graphrec.evaluation.provenance import provenance_of
from graphrec.evaluation.ratios import bootstrap_ratios, compare_ratios
from graphrec.evaluation.shown_figures import (
    ListFigures,
    click_places,
    figures_of_scores,
    inverse_examination,
    weighted_mean_of_users,
)
from graphrec.events.dataset import Dataset
from graphrec.events.readers import read_dataset
from graphrec.events.shown_lists import CLICKED, SHOWN, ShownLists, shown_lists, with_shown_items
from graphrec.pipeline.shown_replay import replay_shown
from graphrec.ranking.boosted_trees import LambdaMARTModel
from graphrec.ranking.examination import Examination, estimate_examination
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.features.settings import FeatureSettings
from graphrec.ranking.features.stream_features import Rate
from graphrec.ranking.importance import gain_importance
from graphrec.ranking.lambdamart import LambdaMARTSettings, train_lambdamart
from graphrec.ranking.training_set import RankingSet
from graphrec.retrieval.blend import BlendedSource
from graphrec.retrieval.cowatch_neighbours import CoWatchNeighbourSource
from graphrec.retrieval.walk_settings import WalkSettings
from graphrec.retrieval.walks import RandomWalkSource

OUT = Path(__file__).with_suffix(".json")
WARM_UP, TRAINING, VALIDATION = 0.05, 0.70, 0.85
SEEDS = (0, 1, 2)
GRAPH = ("walk", "neighbours", "sources", "step")
"""Families of features that are read off the graph."""

PLACE = ("shown.position",)
LARGEST_WEIGHT = 20.0
BELOW = 5
PRIMARY = "ranker"
COMPARED = ("shown order", "popularity", "last met first", "ranker without graph")
SLOW = {"n_leaves": 15, "learning_rate": 0.03, "l2": 10.0, "min_rows_per_leaf": 50}
SLOW |= {"feature_share": 0.5, "max_trees": 1000, "early_stopping": 60}
SHAPES: Mapping[str, dict[str, float]] = {"31 leaves": {}, "15 leaves, slow": SLOW}
DEBIASES: Mapping[str, dict[str, object]] = {
    "none": {"debias": "none"},
    "feature": {"debias": "feature"},
    "unbiased": {"debias": "unbiased"},
    "unbiased, l2 1": {"debias": "unbiased", "position_l2": 1.0},
}


@dataclass(frozen=True, slots=True)
class Parts:
    """The lists by time, and how likely places are looked at, by the training lists."""

    training: RankingSet
    validation: RankingSet
    test: RankingSet
    examination: Examination


def open_lists(dataset: Dataset, lists: ShownLists) -> RankingSet:
    """Every list after the warm-up with its features, by living through the log."""
    walk = RandomWalkSource(walk=WalkSettings(n_steps=2000, overwalk=1))
    source = BlendedSource([walk, CoWatchNeighbourSource(beside=walk)])
    streams = lists.streams()
    for kind in dataset.log.edge_types:
        name = kind.name.replace("interaction item ", "").replace("search for item", "search")
        if kind.name != "clickout item":
            streams[name] = dataset.log.interactions(names=[kind.name])
    inputs = FeatureInputs(
        ("walk", "neighbours"),
        streams=streams,
        rates=(Rate("clicked", CLICKED, SHOWN, 0.04),),
        given=("price", "position"),
    )
    hours = FeatureSettings(
        rate_hours=48, step_hours=48, popularity_hours=(1, 6, 48), arrival_hours=(1, 6, 48)
    )
    builder = FeatureBuilder(inputs, hours)
    cut_s = int(lists.time_s[round(WARM_UP * len(lists))])
    return replay_shown(source, builder, dataset.log.interactions(), lists, cut_s)


def split(every: RankingSet, n_lists: int) -> Parts:
    """Training, validation and test by shares of all `n_lists` lists, the warm-up among them."""
    warm_up = n_lists - every.n_lists
    first, second = (round(share * n_lists) - warm_up for share in (TRAINING, VALIDATION))
    training = every.lists_between(0, first)
    return Parts(
        training,
        every.lists_between(first, second),
        every.lists_between(second, every.n_lists),
        estimate_examination(training, CLICKED),
    )


def of_families(names: tuple[str, ...], families: tuple[str, ...]) -> tuple[str, ...]:
    """Features of some families."""
    return tuple(name for name in names if name.split(".")[0] in families)


def plain_scores(lists: RankingSet) -> dict[str, np.ndarray]:
    """Orders that nothing was learned for."""

    def column(name: str) -> np.ndarray:
        return lists.features[:, lists.feature_names.index(name)]

    newer = column("pair.places")
    below_all = -100.0 - lists.position
    return {
        "shown order": -lists.position.astype(np.float32),
        "popularity": column("item.popular_2d"),
        "cheapest first": np.nan_to_num(-column("shown.price"), nan=-np.inf),
        "last met first": np.where(np.isnan(newer), below_all, -newer).astype(np.float32),
    }


def learn(parts: Parts, dropped: tuple[str, ...], settings: LambdaMARTSettings) -> LambdaMARTModel:
    """A ranker that learned without some features, stopped by validation."""
    early = parts.training.without_features(dropped)
    return train_lambdamart(early, parts.validation.without_features(dropped), settings)


def judged(model: LambdaMARTModel, lists: RankingSet, dropped: tuple[str, ...]) -> ListFigures:
    """Figures of lists as a ranker orders them."""
    score = model.score(lists.without_features(dropped).features)
    return figures_of_scores(score.astype(np.float32), lists, CLICKED)


def weights_of(parts: Parts, lists: RankingSet, most: float = LARGEST_WEIGHT) -> np.ndarray:
    """Weight of each list by the place of its click."""
    places = click_places(lists, CLICKED)
    return inverse_examination(places, parts.examination.relative, most)


def weighted(parts: Parts, lists: RankingSet, value: np.ndarray, most: float) -> float:
    """Mean of a figure, reweighted."""
    return weighted_mean_of_users(value, weights_of(parts, lists, most), lists.user_row).value


def choose(parts: Parts, n_threads: int) -> tuple[LambdaMARTSettings, list[dict]]:
    """The shape of the trees by validation, as logged; and what every choice gave."""
    tried = []
    for shape, changes in SHAPES.items():
        settings = LambdaMARTSettings.model_validate(
            {"outcome": CLICKED, "n_threads": n_threads, **changes}
        )
        found = judged(learn(parts, (), settings), parts.validation, ())
        tried.append((float(np.nanmean(found.ndcg)), shape, settings))
    best = max(tried, key=lambda one: one[0])
    return best[2], [{"shape": shape, "ndcg@10": round(value, 5)} for value, shape, _ in tried]


def mean_of_seeds(found: list[ListFigures]) -> ListFigures:
    """Figures of each list, averaged over seeds."""
    return ListFigures(
        np.mean([one.ndcg for one in found], axis=0),
        np.mean([one.reciprocal_rank for one in found], axis=0),
    )


def variants_of(
    names: tuple[str, ...],
) -> dict[str, tuple[tuple[str, ...], dict[str, object]]]:
    """Rankers to train: the features they go without, and their changes of settings."""
    graph = of_families(names, GRAPH)
    variants: dict[str, tuple[tuple[str, ...], dict[str, object]]] = {
        PRIMARY: ((), {}),
        "ranker without graph": (graph, {}),
        "ranker without list and pair": (of_families(names, ("list", "pair")), {}),
    }
    for name, changes in DEBIASES.items():
        variants[f"placeless, {name}"] = (PLACE, changes)
    variants["placeless, none, without graph"] = (PLACE + graph, {})
    return variants


def judge(
    parts: Parts, settings: LambdaMARTSettings
) -> tuple[dict[str, ListFigures], dict[str, ListFigures], dict[str, list[float]]]:
    """Figures of every order on validation and test, and mean test NDCG by seed."""
    late, found = (
        {
            name: figures_of_scores(score.astype(np.float32), lists, CLICKED)
            for name, score in plain_scores(lists).items()
        }
        for lists in (parts.validation, parts.test)
    )
    by_seed = {}
    for name, (dropped, changes) in variants_of(parts.test.feature_names).items():
        models = [
            learn(parts, dropped, settings.model_copy(update={**changes, "seed": seed}))
            for seed in SEEDS
        ]
        late[name] = mean_of_seeds([judged(one, parts.validation, dropped) for one in models])
        each = [judged(one, parts.test, dropped) for one in models]
        found[name] = mean_of_seeds(each)
        by_seed[name] = [float(np.nanmean(one.ndcg)) for one in each]
    return late, found, by_seed


def intervals(
    parts: Parts, lists: RankingSet, figures: Mapping[str, ListFigures], drawn: IntervalSettings
) -> dict[str, dict]:
    """Every figure of every order with its interval."""
    low = click_places(lists, CLICKED) >= BELOW
    weight = weights_of(parts, lists)
    views = {
        "ndcg@10": {name: one.ndcg for name, one in figures.items()},
        "mrr": {name: one.reciprocal_rank for name, one in figures.items()},
        f"ndcg@10, click below place {BELOW}": {
            name: np.where(low, one.ndcg, np.nan) for name, one in figures.items()
        },
    }
    found: dict[str, dict] = {name: {} for name in figures}
    for view, values in views.items():
        for name, one in bootstrap_means(values, lists.user_row, drawn).items():
            found[name][view] = asdict(one)
    for view, field in (("ndcg@10, reweighted", "ndcg"), ("mrr, reweighted", "reciprocal_rank")):
        ratios = {
            name: weighted_mean_of_users(getattr(one, field), weight, lists.user_row)
            for name, one in figures.items()
        }
        for name, one in bootstrap_ratios(ratios, drawn).items():
            found[name][view] = asdict(one)
    return found


def tests(
    parts: Parts, lists: RankingSet, figures: Mapping[str, ListFigures], drawn: IntervalSettings
) -> dict[str, dict]:
    """The ranker less each of what it is compared with, by view."""
    weight = weights_of(parts, lists)
    found = {}
    for view, field in (("ndcg@10", "ndcg"), ("mrr", "reciprocal_rank")):
        mine = getattr(figures[PRIMARY], field)
        others = {name: getattr(figures[name], field) for name in COMPARED}
        logged = compare_with(mine, others, lists.user_row, drawn)
        found[view] = {name: asdict(one) for name, one in logged.items()}
        ratios = {
            name: {view: weighted_mean_of_users(value, weight, lists.user_row)}
            for name, value in {PRIMARY: mine, **others}.items()
        }
        fair = compare_ratios(ratios.pop(PRIMARY), ratios, drawn)
        found[f"{view}, reweighted"] = {name: asdict(one[view]) for name, one in fair.items()}
    return found


def graph_speaks(lists: RankingSet) -> np.ndarray:
    """Lists in which steps of others lead to an item that the user has not met."""

    def column(name: str) -> np.ndarray:
        return lists.features[:, lists.feature_names.index(name)]

    told = (column("step.from_recent") > 0) & (column("pair.count") == 0)
    list_of = np.repeat(np.arange(lists.n_lists), np.diff(lists.list_ptr))
    return np.bincount(list_of, told, lists.n_lists) > 0


def bias_of(parts: Parts, lists: RankingSet, figures: Mapping[str, ListFigures]) -> dict:
    """What is known of the places, and how the reweighted view hangs on its cap."""
    caps = {}
    for most in (1.0, 5.0, LARGEST_WEIGHT, 1000.0):
        weight = weights_of(parts, lists, most)
        caps[f"{most:g}"] = {
            "effective_share": float(weight.sum() ** 2 / (weight**2).sum() / len(weight)),
            **{
                name: weighted(parts, lists, one.ndcg, most)
                for name, one in figures.items()
                if name in ("shown order", "last met first", PRIMARY) or "placeless" in name
            },
        }
    return {
        "click_rate_by_place": parts.examination.click_rate.tolist(),
        "examination_by_place": parts.examination.relative.tolist(),
        "items_that_tell": parts.examination.n_items,
        "lists_with_click_below": int((click_places(lists, CLICKED) >= BELOW).sum()),
        "ndcg@10 by largest weight": caps,
    }


def slice_of(figures: Mapping[str, ListFigures], kept: np.ndarray, names: tuple[str, ...]) -> dict:
    """Mean NDCG of some orders over some lists."""
    means = {name: float(np.nanmean(figures[name].ndcg[kept])) for name in names}
    return {"lists": int(kept.sum()), **means}


def rounded(value: object) -> object:
    """The same with numbers of five decimals."""
    match value:
        case float():
            return round(value, 5)
        case dict():
            return {key: rounded(one) for key, one in value.items()}
        case list():
            return [rounded(one) for one in value]
    return value


def main() -> None:
    """Live through the log, choose on validation, and judge the test lists once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    dataset = with_shown_items(read_dataset(chosen.data))
    lists = shown_lists(dataset, {"price": "prices"})
    parts = split(open_lists(dataset, lists), len(lists))
    settings, tried = choose(parts, chosen.threads)
    late, figures, by_seed = judge(parts, settings)
    drawn = IntervalSettings(resamples=2000)
    model = learn(parts, (), settings)
    gain = gain_importance(model)
    order = np.argsort(-gain)[:15]
    speaks = graph_speaks(parts.test)
    report = {
        "question": __doc__.splitlines()[0],
        "protocol": "time split by lists .05 warm-up/.70/.85, asked as of the second before each",
        "lists": [parts.training.n_lists, parts.validation.n_lists, parts.test.n_lists],
        "test_users": len(np.unique(parts.test.user_row)),
        "seeds": list(SEEDS),
        "provenance": asdict(
            provenance_of(dataset.name, dataset.sha256, 0, settings.model_dump(mode="json"))
        ),
        "validation": {
            "tried": tried,
            "ndcg@10": {name: float(np.nanmean(one.ndcg)) for name, one in late.items()},
            "ndcg@10, reweighted": {
                name: weighted(parts, parts.validation, one.ndcg, LARGEST_WEIGHT)
                for name, one in late.items()
            },
        },
        "test": intervals(parts, parts.test, figures, drawn),
        "ndcg@10 by seed": by_seed,
        "others less the ranker": tests(parts, parts.test, figures, drawn),
        "position": bias_of(parts, parts.test, figures),
        "where the graph speaks of items not met": slice_of(
            figures, speaks, (PRIMARY, "ranker without graph", "shown order", "last met first")
        ),
        "gain": {model.feature_names[at]: float(gain[at]) for at in order},
    }
    chosen.out.write_text(json.dumps(rounded(report), indent=1) + "\n", encoding="utf-8")
    for name, views in report["test"].items():
        print(f"{name:34s}", {view: rounded(one["value"]) for view, one in views.items()})
    print(json.dumps(rounded(report["others less the ranker"]), indent=1))


if __name__ == "__main__":
    main()
