"""What people with a similar past used."""

import numpy as np
from jaxtyping import Float32, Int32, Int64
from pydantic import Field
from scipy.sparse import csr_array

from graphrec.kernels.user_neighbors import score_by_neighbors, score_by_neighbors_parallel
from graphrec.retrieval.history_weights import weigh_past_items
from graphrec.retrieval.interaction_matrix import RefitSchedule, interaction_matrix
from graphrec.retrieval.item_to_item import ItemModelSettings
from graphrec.stages import Candidates, Eligibility, Interactions, Queries
from graphrec.top_k import top_candidates

_Flat = tuple[
    Int64[np.ndarray, " pointers"], Int32[np.ndarray, " entries"], Float32[np.ndarray, " entries"]
]


class UserKNNSettings(ItemModelSettings):
    """How alike two users are, and how many alike ones count."""

    n_neighbors: int = Field(
        100, ge=1, le=1_000_000, description="Users whose past speaks for candidates."
    )
    shrinkage: float = Field(
        0.0, ge=0, le=1e9, description="Added to the denominator, against chance overlap."
    )
    length_power: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Power of a user's squared length in the denominator: .5 is cosine, 0 favours "
        "users with a long past.",
    )


class UserKNNSource:
    """Items used by the users whose past is most like the query's history.

    The similarity is computed from the history that comes with the query, so that a new event
    counts at once and anonymous sessions are answered; neighbours are as of the last fit. There is
    no single past item to name as a reason.

    Source:
        Resnick et al. 1994, doi:10.1145/192844.192905, for use instead of ratings.
    """

    def __init__(self, settings: UserKNNSettings | None = None) -> None:
        """Neighbours by `settings`; holds no users yet."""
        self._settings = settings or UserKNNSettings()
        self._schedule = RefitSchedule(self._settings.refit_every_events)
        nothing = csr_array((0, 0), dtype=np.float32)
        self._by_user = self._by_item = _flat(nothing)
        self._norm = np.empty(0)

    @property
    def name(self) -> str:
        """`user_knn`."""
        return "user_knn"

    @property
    def absorbs(self) -> bool:
        """Whether absorbed events ever change the model."""
        return self._schedule.absorbs

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, then learn from `events`, all before `cut_s`.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        self._learn_from(self._schedule.start(events, cut_s, self.name))

    def absorb(self, events: Interactions) -> None:
        """Note `events`, and learn anew from all so far where that is due."""
        due = self._schedule.add(events)
        if due is not None:
            self._learn_from(due)

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Summed similarity of the neighbours who used each item.

        Raises:
            DataError: A history holds an item the source has no row for.
        """
        settings, n_items = self._settings, self._schedule.n_items
        past = weigh_past_items(queries, settings.history, settings.values, n_items, self.name)
        score = np.empty((len(queries), n_items), np.float32)
        fill = score_by_neighbors if len(score) == 1 else score_by_neighbors_parallel
        fill(
            *self._by_user,
            *self._by_item,
            self._norm,
            queries.user_row,
            past.ptr,
            past.item_row,
            past.weight,
            settings.n_neighbors,
            settings.shrinkage,
            score,
        )
        return score

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The best `k` eligible items of each query, without reasons.

        Raises:
            DataError: A history holds an item the source has no row for.
        """
        return top_candidates(self.score(queries), queries, k, eligibility, self.name)

    def _learn_from(self, events: Interactions) -> None:
        matrix = interaction_matrix(events, self._settings.values)
        squared = np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()
        self._norm = squared**self._settings.length_power
        by_user = matrix.astype(np.float32)
        self._by_user, self._by_item = _flat(by_user), _flat(by_user.T.tocsr())


def _flat(matrix: csr_array) -> _Flat:
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data
