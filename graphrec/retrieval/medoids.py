"""A few representatives of a history: medoids of its clusters."""

import numpy as np
from jaxtyping import Float64, Int32, Int64
from scipy.sparse import csr_array

from graphrec.graph.edges import WeightedEdges
from graphrec.kernels.hash_random import draw_uniforms
from graphrec.retrieval.walk_settings import MedoidSeeds


def draw_medoids(
    nodes: Int32[np.ndarray, " seeds"],
    importance: Float64[np.ndarray, " seeds"],
    rows: WeightedEdges,
    key: np.uint64,
    settings: MedoidSeeds,
) -> Int64[np.ndarray, " _"]:
    """Cluster items by whom they lead to, and draw medoids of some clusters.

    Args:
        nodes: Two distinct items or more, as nodes.
        importance: How much each item counts for its cluster, unitless, >= 0.
        rows: The edges of `nodes`.
        key: Decides the draw.
        settings: How far clusters reach, and how many are drawn.

    Returns:
        Positions in `nodes` of at most `n_medoids` medoids, ascending. Clusters are drawn without
        replacement, with chances in proportion to their summed importance.

    Source:
        Pal et al. 2020, arXiv:2007.03634 (PinnerSage): Ward clusters, medoids, importance by
        decayed recency. It clusters learned vectors, once; here an item's vector is its row of
        the co-watch graph with the item itself at the weight of its strongest edge, scaled to
        length 1, and clusters are clustered again.
    """
    vectors = _unit_rows(nodes, rows)
    cosine = (vectors @ vectors.T).toarray()
    cluster = _clusters(cosine, settings.max_distance)
    n_clusters = int(cluster.max()) + 1
    weight = np.bincount(cluster, weights=importance, minlength=n_clusters)
    medoid = _medoids(_distances(cosine), cluster, n_clusters)
    uniform = np.empty(n_clusters)
    draw_uniforms(np.full(n_clusters, key), nodes[medoid].astype(np.int64), uniform)
    # The smallest of exponential waiting times: a draw without replacement, by weight.
    with np.errstate(divide="ignore"):
        wait = -np.log(uniform) / weight
    return np.sort(medoid[np.argsort(wait, kind="stable")[: settings.n_medoids]])


def _unit_rows(nodes: Int32[np.ndarray, " seeds"], rows: WeightedEdges) -> csr_array:
    n = len(nodes)
    source = np.repeat(np.arange(n), np.diff(rows.ptr))
    strongest = np.zeros(n)
    np.maximum.at(strongest, source, rows.weight)
    strongest[strongest == 0] = 1.0
    item = nodes.astype(np.int64) - 1
    columns = np.concatenate([rows.target_row.astype(np.int64), item])
    weight = np.concatenate([rows.weight.astype(np.float64), strongest])
    # Seen among their own columns only, so that width does not grow with the catalogue.
    _, column = np.unique(columns, return_inverse=True)
    where = (np.concatenate([source, np.arange(n)]), column.ravel())
    matrix = csr_array((weight, where), shape=(n, int(column.max()) + 1))
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    matrix.data /= np.repeat(length, np.diff(matrix.indptr))
    return matrix


def _distances(cosine: Float64[np.ndarray, "seeds seeds"]) -> Float64[np.ndarray, "seeds seeds"]:
    """Distances of unit vectors; symmetric, and 0 on the diagonal, to the last bit."""
    distance = np.sqrt(np.maximum(2.0 - cosine - cosine.T, 0.0))
    np.fill_diagonal(distance, 0.0)
    return np.asarray(distance, dtype=np.float64)


def _clusters(
    cosine: Float64[np.ndarray, "seeds seeds"], max_distance: float
) -> Int64[np.ndarray, " seeds"]:
    """Cluster of each item: Ward's, then Ward's of their centres, until no more merge.

    Ward's height grows with the size of what is merged. Cut once, it splits a thousand items that
    hardly differ; centres, each counted once, put them together again.
    """
    from scipy.cluster.hierarchy import fcluster, ward
    from scipy.spatial.distance import squareform

    cluster = np.arange(len(cosine), dtype=np.int64)
    centre_cosine = cosine
    while len(centre_cosine) > 1:
        tree = ward(squareform(_distances(centre_cosine), checks=False))
        merged = fcluster(tree, t=max_distance, criterion="distance").astype(np.int64) - 1
        n = int(merged.max()) + 1
        if n == len(centre_cosine):
            break
        cluster = merged[cluster]
        member = csr_array(
            (np.ones(len(cluster)), (cluster, np.arange(len(cluster)))), shape=(n, len(cluster))
        )
        summed = member @ (member @ cosine).T
        length = np.sqrt(np.diag(summed))
        centre_cosine = summed / np.outer(length, length)
    return cluster


def _medoids(
    distance: Float64[np.ndarray, "seeds seeds"], cluster: Int64[np.ndarray, " seeds"], n: int
) -> Int64[np.ndarray, " clusters"]:
    """The item of each cluster nearest to all others of it, ties to the newest."""
    medoid = np.empty(n, np.int64)
    for which in range(n):
        members = np.flatnonzero(cluster == which)
        spread = np.square(distance[np.ix_(members, members)]).sum(axis=1)
        medoid[which] = members[np.argmin(np.round(spread, 9))]
    return medoid
