"""Metrics against worked examples, slow twins, and three independent libraries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.errors import DataError, SettingsError
from graphrec.evaluation.metrics import Metric
from graphrec.evaluation.ranks import ItemLists, rank_targets
from tests.reference import metrics as slow

TWINS = {
    "hit_rate": slow.hit_rate,
    "recall": slow.recall,
    "precision": slow.precision,
    "mrr": slow.reciprocal_rank,
    "ndcg": slow.ndcg,
    "map": slow.average_precision,
}


def one(name: str, *ranks: float) -> float:
    metric = Metric.of_name(name)
    return float(metric.values(np.array(ranks, dtype=float), np.array([0, len(ranks)]))[0])


def test_worked_example_of_one_relevant_item() -> None:
    assert one("mrr", 4.0) == 0.25
    assert one("mrr@3", 4.0) == 0.0
    assert one("ndcg@10", 3.0) == pytest.approx(0.5)
    assert one("hit_rate@4", 4.0) == 1.0
    assert one("precision@5", 4.0) == 0.2


def test_worked_example_of_two_relevant_items() -> None:
    # On places 1 and 3 of a list: x . x
    assert one("recall@2", 1.0, 3.0) == 0.5
    assert one("map", 3.0, 1.0) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert one("map@2", 1.0, 3.0) == pytest.approx(1 / 2)
    assert one("ndcg@3", 1.0, 3.0) == pytest.approx(1.5 / (1 + 1 / np.log2(3)))


def test_worked_example_of_a_tie() -> None:
    # Level with one negative on top: half-way between places 1 and 2, so not yet on the first.
    assert one("mrr", 1.5) == pytest.approx(2 / 3)
    assert one("hit_rate@1", 1.5) == 0.0
    assert one("recall@2", 1.5) == 1.0
    assert one("ndcg", 1.5) == pytest.approx(1 / np.log2(2.5))


def test_tied_relevant_items_on_top_are_a_perfect_list() -> None:
    targets = ItemLists.of_pointers(np.array([0, 2]), np.array([0, 3], np.int32))
    ranking = rank_targets(np.array([[5, 1, 2, 5]], np.float32), targets)
    for name in ("mrr", "ndcg", "map", "recall@2", "precision@2", "hit_rate@1"):
        assert Metric.of_name(name).values(ranking.rank, np.array([0, 2])).tolist() == [1.0]


@given(
    st.lists(
        st.lists(st.integers(2, 60).map(lambda half: half / 2), min_size=1, max_size=6),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 12),
    st.sampled_from(sorted(TWINS)),
)
def test_metrics_agree_with_their_twins(ranks: list[list[float]], k: int, name: str) -> None:
    ptr = np.cumsum([0, *map(len, ranks)]).astype(np.int64)
    values = Metric.of_name(f"{name}@{k}").values(np.concatenate(ranks), ptr)
    np.testing.assert_allclose(values, [TWINS[name](one_list, k) for one_list in ranks])


@pytest.fixture(scope="module")
def random_ranking():
    """Scores without ties, 3 to 7 relevant items a query, and the ranks they get."""
    rng = np.random.default_rng(3)
    n_queries, n_items = 40, 60
    scores = rng.permuted(np.tile(np.arange(1.0, n_items + 1), (n_queries, 1)), axis=1)
    relevant = np.zeros((n_queries, n_items), bool)
    for row in relevant:
        row[rng.choice(n_items, size=rng.integers(3, 8), replace=False)] = True
    item = np.nonzero(relevant)[1]
    ptr = np.concatenate([[0], np.cumsum(relevant.sum(axis=1))])
    ranking = rank_targets(
        scores.astype(np.float32), ItemLists.of_pointers(ptr, item.astype(np.int32)), k=n_items
    )
    return scores, relevant, ranking, ptr


def mean_of(name: str, random_ranking) -> float:
    _, _, ranking, ptr = random_ranking
    return float(Metric.of_name(name).values(ranking.rank, ptr).mean())


def test_metrics_agree_with_torchmetrics(random_ranking) -> None:
    torch = pytest.importorskip("torch")
    retrieval = pytest.importorskip("torchmetrics.retrieval")
    scores, relevant, _, _ = random_ranking
    rows = np.repeat(np.arange(len(scores)), scores.shape[1])
    given_to = (
        torch.tensor(scores.ravel()),
        torch.tensor(relevant.ravel()),
        torch.tensor(rows),
    )
    for k in (1, 5, 20):
        for name, peer in {
            f"ndcg@{k}": retrieval.RetrievalNormalizedDCG(top_k=k),
            f"recall@{k}": retrieval.RetrievalRecall(top_k=k),
            f"precision@{k}": retrieval.RetrievalPrecision(top_k=k),
            f"hit_rate@{k}": retrieval.RetrievalHitRate(top_k=k),
            f"mrr@{k}": retrieval.RetrievalMRR(top_k=k),
            "mrr": retrieval.RetrievalMRR(),
            # Its MAP at k divides by the hits among k, ours by min(n_relevant, k): equal uncut.
            "map": retrieval.RetrievalMAP(),
            "ndcg": retrieval.RetrievalNormalizedDCG(),
        }.items():
            assert mean_of(name, random_ranking) == pytest.approx(float(peer(*given_to)), abs=1e-6)


def test_metrics_agree_with_pyg(random_ranking) -> None:
    torch = pytest.importorskip("torch")
    peers = pytest.importorskip("torch_geometric.metrics")
    _, relevant, ranking, _ = random_ranking
    edges = torch.tensor(np.stack(np.nonzero(relevant)))
    for k in (1, 5, 20):
        lists = torch.tensor(ranking.top_item[:, :k].astype(np.int64))
        for name, peer in {
            "ndcg": peers.LinkPredNDCG(k),
            "recall": peers.LinkPredRecall(k),
            "precision": peers.LinkPredPrecision(k),
            "hit_rate": peers.LinkPredHitRatio(k),
            "mrr": peers.LinkPredMRR(k),
            "map": peers.LinkPredMAP(k),
        }.items():
            peer.update(lists, edges)
            assert mean_of(f"{name}@{k}", random_ranking) == pytest.approx(
                float(peer.compute()), abs=1e-6
            )


def test_ndcg_agrees_with_scikit_learn(random_ranking) -> None:
    peers = pytest.importorskip("sklearn.metrics")
    scores, relevant, _, _ = random_ranking
    for k in (1, 5, 20):
        expected = peers.ndcg_score(relevant.astype(float), scores, k=k)
        assert mean_of(f"ndcg@{k}", random_ranking) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["ndgc@10", "recall", "precision", "ndcg@0", "ndcg@", "@10", ""])
def test_unknown_metrics_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="such as ndcg@10"):
        Metric.of_name(name)


def test_queries_without_relevant_items_are_refused() -> None:
    with pytest.raises(DataError, match="query 1 has no relevant item"):
        Metric.of_name("mrr").values(np.array([1.0]), np.array([0, 1, 1]))


@pytest.mark.parametrize("rank", [0.5, np.nan])
def test_impossible_ranks_are_refused(rank: float) -> None:
    with pytest.raises(DataError, match="ranks are >= 1"):
        Metric.of_name("mrr").values(np.array([rank]), np.array([0, 1]))


def test_no_queries_have_no_values() -> None:
    assert len(Metric.of_name("mrr").values(np.empty(0), np.array([0]))) == 0
