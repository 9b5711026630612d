"""Peers get the very split, and what they answer is ranked as our own sources are."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

from experiments.peers.answer_files import (
    Answerer,
    read_answerer,
    read_part,
    with_fallback,
    write_answers,
)
from experiments.peers.answering import Answered, Peer, answer, history_means, run
from experiments.peers.rank import AnsweredSource, chosen_settings, ranked
from experiments.peers.split_files import PARTS, History, Split, read_split, write_split
from experiments.peers.write_split import split_of, stream_protocol
from graphrec.errors import DataError, SettingsError
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.figures import SourceFigures, figures_of
from graphrec.evaluation.stream import evaluate_stream
from graphrec.events.dataset import Dataset
from graphrec.experiment.method_settings import LastItemsMethod, PopularMethod
from graphrec.experiment.running import events_of
from graphrec.experiment.settings import DataSettings, ExperimentSettings
from graphrec.stages import Queries
from tests.evaluation.sources import LastAgain
from tests.worlds import small_dataset


def drawn(seed: int, n_events: int = 400) -> Dataset:
    """A log with seconds shared by several events, late users and late items."""
    rng = np.random.default_rng(seed)
    time_s = np.sort(rng.integers(0, n_events // 2, n_events))
    latest = 3 + np.arange(n_events) // 20
    user, item = rng.integers(0, latest), (rng.random(n_events) ** 2 * (latest + 6)).astype(int)
    rows = [(int(t), f"u{u}", f"i{i}") for t, u, i in zip(time_s, user, item, strict=True)]
    return small_dataset(rows)


def asked_for(**protocol: object) -> ExperimentSettings:
    return ExperimentSettings(
        name="drawn",
        data=DataSettings(path=Path("nowhere")),
        evaluate=({"protocol": "stream", **protocol},),
        methods=(PopularMethod(),),
        metrics=("ndcg@10", "mrr"),
        list_length=5,
    )


def split_in(tmp_path: Path, settings: ExperimentSettings, dataset: Dataset) -> Split:
    """The split as a peer has it: written, then read."""
    write_split(split_of(settings, events_of(dataset, settings.data)), tmp_path / "split")
    return read_split(tmp_path / "split")


def figures_beside(source: SourceFigures) -> tuple[object, ...]:
    """All figures of a source but its name, its time and who was best."""
    return source.accuracy, source.slices, source.lists, source.over_time


@pytest.mark.parametrize(
    "protocol",
    [
        {"seen": "hide"},
        {"seen": "allow", "same_second": "keep"},
        {"regime": "batch", "batch_size": 7},
    ],
)
def test_a_peer_that_scores_as_our_source_gets_its_figures(
    tmp_path: Path, protocol: dict[str, object]
) -> None:
    settings, dataset = asked_for(**protocol), drawn(1)
    split = split_in(tmp_path, settings, dataset)
    # What a peer can know of popularity, counted over the log it was given.
    n_known = known_events(split, settings)
    scores = np.stack(
        [np.bincount(split.item_row[:n], minlength=split.n_items) for n in n_known]
    ).astype(np.float32)
    scores[scores == 0] = -np.inf
    folder = tmp_path / "answers"
    parts = {part: {"scores": scores[split.which(part)]} for part in PARTS}
    write_answers(folder, Answerer("twin", "twin", {}, 0, split.sha256), parts)
    figures = figures_of(ranked(settings, dataset, [folder], [PopularMethod()]), settings)
    assert [part.split for part in figures] == ["test", "validation"]
    for part in figures:
        by_name = {source.source: figures_beside(source) for source in part.sources}
        # Lists that count as obvious are those of `popular`, which the twin's are.
        assert repr(by_name["twin"]) == repr(by_name["popular"])


def known_events(split: Split, settings: ExperimentSettings) -> list[int]:
    """Events before the second in which each query's block begins: what `popular` counts."""
    protocol = stream_protocol(settings)
    at = np.arange(split.n_training, len(split.time_s))
    if protocol.regime == "batch":
        n_validation = len(split.which("validation"))
        since = at - split.n_training
        since[n_validation:] -= n_validation
        at = at - since % protocol.batch_size
    return np.searchsorted(split.time_s, split.time_s[at], side="left").tolist()


def test_histories_are_those_that_sources_are_handed(tmp_path: Path) -> None:
    settings, dataset = asked_for(), drawn(2)
    split = split_in(tmp_path, settings, dataset)
    spied = HistorySpy()
    events, protocol = events_of(dataset, settings.data), stream_protocol(settings)
    evaluate_stream([spied], events, Cuts.at_quantiles(events), protocol)
    history = split.histories(np.arange(len(spied.asked)))
    assert [
        history.item[a:b].tolist() for a, b in zip(history.ptr[:-1], history.ptr[1:], strict=True)
    ] == spied.asked
    # A part asked alone gets the same histories.
    test = split.which("test")
    alone = split.histories(test)
    assert alone.item.tolist() == [item for query in test for item in spied.asked[query]]


class HistorySpy(LastAgain):
    """Notes what it is told of each user, oldest first."""

    def __init__(self) -> None:
        super().__init__("spy")
        self.asked: list[list[int]] = []

    def score(self, queries: Queries) -> np.ndarray:
        for query in range(len(queries)):
            self.asked.append(queries.history_item[queries.history(query)][::-1].tolist())
        return super().score(queries)


def test_newest_keeps_the_end_of_each_history() -> None:
    history = History(np.array([0, 3, 3, 4]), np.array([5, 6, 7, 8], np.int32)).newest(2)
    assert history.ptr.tolist() == [0, 2, 2, 3]
    assert history.item.tolist() == [6, 7, 8]


def test_history_means_leave_out_items_not_known() -> None:
    history = History(np.array([0, 3, 4, 4]), np.array([0, 1, 1, 2], np.int32))
    items = np.array([[3.0, 0.0], [0.0, 6.0], [9.0, 9.0]], np.float32)
    means = history_means(history, items, np.array([True, True, False]))
    assert means.tolist() == [[1.0, 4.0], [0.0, 0.0], [0.0, 0.0]]


class FakePeer:
    """Answers users it was fitted on with one vector each, and nobody else."""

    name = "fake (nowhere)"
    packages = ("numpy",)
    grid = ({"dim": 2},)

    def __init__(self) -> None:
        self.fits: list[int] = []

    def fit(
        self, users: np.ndarray, items: np.ndarray, n_items: int, settings: object, seed: int
    ) -> None:
        self.fits.append(len(users))
        self.n_items = n_items
        self.users = np.unique(users)
        self.vectors_of_items = np.random.default_rng(seed).normal(size=(n_items, 2))

    def vectors(self, split: Split, queries: np.ndarray) -> Answered:
        user = split.user_row[split.n_training + queries]
        has_vector = np.isin(user, self.users)
        return Answered(
            np.column_stack([user + 1, -user]).astype(np.float32),
            self.vectors_of_items.astype(np.float32),
            has_vector,
            np.ones(self.n_items, bool),
        )


def answered(tmp_path: Path, split: Split, name: str = "fake", **who: object) -> Path:
    peer: Peer = FakePeer()
    answerer = replace(Answerer(name, peer.name, {"dim": 2}, 3, split.sha256), **who)
    answer(peer, split, tmp_path / name, answerer, PARTS)
    return tmp_path / name


def test_vectors_score_by_dot_product_and_items_not_fitted_come_last(tmp_path: Path) -> None:
    settings, dataset = asked_for(), drawn(3)
    split = split_in(tmp_path, settings, dataset)
    folder = answered(tmp_path, split)
    spy = ScoreSpy(folder, split)
    events = events_of(dataset, settings.data)
    [result] = evaluate_stream([spy], events, Cuts.at_quantiles(events), stream_protocol(settings))
    scores = np.concatenate(spy.scores)
    assert len(scores) == len(result.questions)
    known = split.popularity > 0
    assert not scores[:, ~known].any()
    assert (scores[:, known] > 0).all()
    items = np.random.default_rng(3).normal(size=(split.n_items, 2)).astype(np.float32)
    asking = result.questions.user_row
    fitted = np.isin(asking, split.user_row[: split.n_training])
    assert 0 < fitted.sum() < len(fitted)
    for user, has_vector, answer_to in zip(asking, fitted, scores[:, known], strict=True):
        expected = items[known] @ [user + 1, -user] if has_vector else split.popularity[known]
        assert rankdata(answer_to).tolist() == rankdata(expected).tolist()


class ScoreSpy(AnsweredSource):
    """Keeps the scores it hands over."""

    def __init__(self, folder: Path, split: Split) -> None:
        super().__init__(folder, split)
        self.scores: list[np.ndarray] = []

    def score(self, queries: Queries) -> np.ndarray:
        self.scores.append(super().score(queries))
        return self.scores[-1]


def test_refitting_takes_validation_in_for_the_test_alone(tmp_path: Path) -> None:
    split = split_in(tmp_path, asked_for(), drawn(3))
    users, items = split.fitted(until_test=True)
    n_validation = len(split.which("validation"))
    assert len(users) == len(items) == split.n_training + n_validation
    assert split.time_s[len(users) - 1] < split.time_s[len(users)]
    assert len(split.fitted()[0]) == split.n_training
    assert split.time_s[split.n_training - 1] < split.time_s[split.n_training]


def test_validation_chooses_and_never_reads_the_test(tmp_path: Path) -> None:
    settings, dataset = asked_for(), drawn(3)
    split = split_in(tmp_path, settings, dataset)
    good = answered(tmp_path, split, "good", settings={"dim": 2, "try": "good"})
    bad = answered(tmp_path, split, "bad", settings={"dim": 2, "try": "bad"}, seed=4)
    for folder in (good, bad):
        (folder / "test.npz").unlink()
    results = ranked(settings, dataset, [good, bad], validation_only=True)
    [figures] = figures_of(results, settings)
    assert figures.split == "validation"
    assert figures.n_queries == len(split.which("validation"))
    best = figures.sources[0]
    chosen = chosen_settings(
        results, [read_answerer(folder) for folder in (good, bad)], settings.metrics
    )["fake (nowhere)"]
    assert figures.sources[0].accuracy["ndcg@10"] != figures.sources[1].accuracy["ndcg@10"]
    assert chosen["chosen"] == {"dim": 2, "try": best.source}
    for metric, interval in best.accuracy.items():
        assert chosen["tried"][0]["figures"][metric] == pytest.approx(interval.value)


def test_a_peer_goes_through_its_grid_then_answers_both_parts_as_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = split_in(tmp_path, asked_for(), drawn(3))

    def command(*words: str) -> FakePeer:
        line = ["peer", str(tmp_path / "split"), str(tmp_path), *words]
        monkeypatch.setattr("sys.argv", line)
        peer = FakePeer()
        run(peer)
        return peer

    command()
    assert {path.name for path in (tmp_path / "fake-0").iterdir()} == {
        "answer.json",
        "validation.npz",
    }
    chosen = {"peers": {"fake (nowhere)": {"chosen": {"dim": 2, "chosen": True}}}}
    (tmp_path / "chosen.json").write_text(json.dumps(chosen))
    once = command("--chosen", str(tmp_path / "chosen.json"), "--seeds", "5")
    assert once.fits == [split.n_training]
    again = command("--chosen", str(tmp_path / "chosen.json"), "--refit")
    assert again.fits == [split.n_training, split.n_training + len(split.which("validation"))]
    for name, seed in (("fake-seed-5", 5), ("fake-refitted-seed-0", 0)):
        who = read_answerer(tmp_path / name)
        assert (who.seed, who.settings) == (seed, {"dim": 2, "chosen": True})
        for part in PARTS:
            assert len(read_part(tmp_path / name, part)["users"]) == len(split.which(part))
    refitted, plain = (
        read_part(tmp_path / name, "test")["known"].sum()
        for name in ("fake-refitted-seed-0", "fake-seed-5")
    )
    assert refitted > plain


def test_answers_to_another_split_are_refused(tmp_path: Path) -> None:
    settings = asked_for()
    folder = answered(tmp_path, split_in(tmp_path, settings, drawn(3)))
    with pytest.raises(DataError, match="write the split anew"):
        ranked(settings, drawn(4), [folder])
    with pytest.raises(DataError, match="write the split anew"):
        ranked(asked_for(regime="batch"), drawn(3), [folder])


def test_answers_that_miss_a_query_or_hold_nan_are_refused(tmp_path: Path) -> None:
    settings, dataset = asked_for(), drawn(3)
    split = split_in(tmp_path, settings, dataset)
    who = Answerer("broken", "broken", {}, 0, split.sha256)
    n_queries, n_items = len(split.which("validation")), split.n_items
    short = {"scores": np.zeros((n_queries - 1, n_items), np.float32)}
    nan = {"users": np.full((n_queries, 1), np.nan), "items": np.zeros((n_items, 1))}
    for arrays, complaint in ((short, "one row per query"), (nan, "not finite")):
        write_answers(tmp_path / "broken", who, {"validation": arrays})
        with pytest.raises(DataError, match=complaint):
            ranked(settings, dataset, [tmp_path / "broken"], validation_only=True)


def test_a_split_whose_tables_changed_is_refused(tmp_path: Path) -> None:
    settings = asked_for()
    split_in(tmp_path, settings, drawn(3))
    write_split(split_of(settings, events_of(drawn(4), settings.data)), tmp_path / "other")
    (tmp_path / "other" / "queries.parquet").replace(tmp_path / "split" / "queries.parquet")
    with pytest.raises(ValueError, match="hashes to"):
        read_split(tmp_path / "split")


def test_only_one_stream_protocol_is_answered() -> None:
    settings = asked_for()
    with pytest.raises(SettingsError, match="2 stream protocols"):
        stream_protocol(settings.model_copy(update={"evaluate": settings.evaluate * 2}))


def test_popularity_answers_queries_without_a_vector_and_no_others() -> None:
    users, items = with_fallback(
        np.array([[2.0], [7.0]]),
        np.array([[1.0], [-1.0]]),
        np.array([True, False]),
        np.array([3, 5]),
    )
    assert (users @ items.T).tolist() == [[2.0, -2.0], [3.0, 5.0]]


def test_our_own_methods_stand_beside_peers(tmp_path: Path) -> None:
    settings, dataset = asked_for(), drawn(3)
    folder = answered(tmp_path, split_in(tmp_path, settings, dataset))
    ours = [PopularMethod(), LastItemsMethod(name="again")]
    [test, _] = figures_of(ranked(settings, dataset, [folder], ours), settings)
    assert {source.source for source in test.sources} == {"fake", "popular", "again"}
    assert sum(source.against_best is None for source in test.sources) == 1
