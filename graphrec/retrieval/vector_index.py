"""The vectors with the highest inner products: exact where there are few, by lists where many."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError, SnapshotError
from graphrec.kernels.dots import dot_pairs
from graphrec.retrieval.inverted_lists import InvertedLists

_BLOCK = 1 << 17


class VectorIndexSettings(BaseModel):
    """When to search exactly, and how well to search else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exact_below: int = Field(
        20_000, ge=0, le=1 << 31, description="Fewer vectors than this are all looked at."
    )
    n_lists: int | None = Field(
        None, ge=1, le=1 << 20, description="Lists; null takes 2 √n, of n vectors."
    )
    target_recall: float = Field(
        0.99,
        gt=0,
        le=1,
        description="Share of the true best that is to be found, with 95 % confidence.",
    )
    recall_at: int = Field(100, ge=1, le=10_000, description="How many best that share is of.")
    n_sampled: int = Field(
        512, ge=1, le=100_000, description="Queries by which recall is measured when building."
    )
    max_waiting: int = Field(
        2048,
        ge=0,
        le=1 << 24,
        description="Changed vectors that wait to be put into lists, searched exactly till then.",
    )
    seed: int = Field(0, ge=0, lt=1 << 31, description="Decides which vectors are sampled.")


@dataclass(frozen=True, slots=True)
class IndexReport:
    """How an index was built.

    Attributes:
        n_vectors: Vectors there were.
        n_lists: Lists; 0 where search is exact.
        n_probed: Lists that one search looks through; 0 where search is exact.
        recall: Measured share of the true best that was found on sampled queries, in [0, 1].
        recall_at: How many best that share is of.
        build_s: Seconds that it took, measuring included.
    """

    n_vectors: int
    n_lists: int
    n_probed: int
    recall: float
    recall_at: int
    build_s: float


class VectorIndex:
    """Rows by inner product with a query, where vectors come, change and go at any time.

    A changed vector is found by the next search: it is searched exactly until enough of them wait,
    and is then put into its list. Scores are exact whatever finds the rows. Not safe for a reader
    and a writer at once.
    """

    def __init__(
        self,
        vectors: Float32[np.ndarray, "items dim"],
        settings: VectorIndexSettings | None = None,
        queries: Float32[np.ndarray, "users dim"] | None = None,
    ) -> None:
        """Build an index; vector i is row i.

        Args:
            vectors: One for each row, all finite.
            settings: When to search exactly, and how well else.
            queries: Real queries to measure recall on; None takes vectors as queries.

        Raises:
            DataError: A vector is not finite.
            SettingsError: FAISS is needed and not installed.
        """
        _refuse_odd(vectors)
        started = time.perf_counter()
        self._settings = settings or VectorIndexSettings()
        self._vectors = np.array(vectors, np.float32, order="C")
        self._held = np.ones(len(vectors), np.bool_)
        self._n_rows = len(vectors)
        self._waiting: dict[int, None] = {}
        self._lists: InvertedLists | None = None
        recall = 1.0
        if self._n_rows >= max(self._settings.exact_below, 1):
            recall = self._build(queries)
        self.report = IndexReport(
            self._n_rows,
            self._lists.n_lists if self._lists else 0,
            self._lists.n_probed if self._lists else 0,
            recall,
            self._settings.recall_at,
            time.perf_counter() - started,
        )

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._vectors.shape[1])

    @property
    def n_rows(self) -> int:
        """Rows there are, removed ones included."""
        return self._n_rows

    @property
    def n_waiting(self) -> int:
        """Changed vectors that are searched exactly."""
        return len(self._waiting)

    @property
    def vectors(self) -> Float32[np.ndarray, "items dim"]:
        """The vector of every row; those of removed rows mean nothing."""
        return self._vectors[: self._n_rows]

    def put(self, row: Int32[np.ndarray, " some"], vector: Float32[np.ndarray, "some dim"]) -> None:
        """Set the vectors of rows, new or known, from the next search on.

        Args:
            row: Distinct rows >= 0; rows between the known ones and a new one hold nothing.
            vector: Their vectors.

        Raises:
            DataError: A vector is not finite or of another length, or a row is below 0.
        """
        _refuse_odd(vector)
        if len(row) and (int(row.min()) < 0 or vector.shape[1] != self.dim):
            raise DataError(
                f"row {int(row.min())} with a vector of length {vector.shape[1]} — rows are >= 0 "
                f"and vectors of length {self.dim}"
            )
        self._grow(int(row.max(initial=-1)) + 1)
        self._vectors[row] = vector
        self._held[row] = True
        if self._lists is None:
            return
        self._lists.remove(row.astype(np.int64))
        self._waiting.update(dict.fromkeys(row.tolist()))
        if len(self._waiting) > self._settings.max_waiting:
            self.settle()

    def remove(self, row: Int32[np.ndarray, " some"]) -> None:
        """Let rows not be found any more; those that are not held are passed over."""
        row = row[(row >= 0) & (row < self._n_rows)]
        self._held[row] = False
        if self._lists is not None:
            self._lists.remove(row.astype(np.int64))
            for one in row.tolist():
                self._waiting.pop(one, None)

    def settle(self) -> None:
        """Put every waiting vector into its list."""
        if self._lists is not None and self._waiting:
            row = np.fromiter(self._waiting, np.int64, len(self._waiting))
            self._lists.add(row, self._vectors[row])
            self._waiting = {}

    def search(
        self,
        queries: Float32[np.ndarray, "users dim"],
        k: int,
        allowed: Bool[np.ndarray, " items"] | None = None,
    ) -> tuple[Int32[np.ndarray, "users k"], Float32[np.ndarray, "users k"]]:
        """The rows of the highest inner products, ties to the lower row.

        Args:
            queries: What is asked for.
            k: At most this many.
            allowed: Rows that may be found, by row; later rows may not. None allows all. Where
                fewer than `exact_below` are allowed they are all looked at.

        Returns:
            Rows, best first, -1 where there are no more, and their inner products, -inf there.
        """
        held = self._held[: self._n_rows]
        if allowed is not None:
            held = held.copy()
            held[: len(allowed)] &= allowed[: len(held)]
            held[len(allowed) :] = False
        if k == 0:
            return np.empty((len(queries), 0), np.int32), np.empty((len(queries), 0), np.float32)
        if self._lists is None or (
            allowed is not None and int(held.sum()) < max(self._settings.exact_below, 4 * k)
        ):
            found = self._exact(queries, k, np.flatnonzero(held).astype(np.int32))
        else:
            found = self._lists.search(queries, k, None if allowed is None else held)
            waiting = np.fromiter(self._waiting, np.int32, len(self._waiting))
            waiting = waiting[held[waiting]]
            if len(waiting):
                found = np.concatenate([found, self._exact(queries, k, waiting)], axis=1)
        return self._ordered(queries, found, k)

    def save(self, folder: Path) -> None:
        """Write vectors and settings to a folder that exists; lists are built again when read."""
        np.save(folder / "vectors.npy", self.vectors)
        np.save(folder / "held.npy", self._held[: self._n_rows])
        described = {"settings": self._settings.model_dump(), "report": asdict(self.report)}
        (folder / "index.json").write_text(json.dumps(described, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "VectorIndex":
        """The index that `save` wrote.

        Raises:
            SnapshotError: A file is missing or damaged.
            SettingsError: FAISS is needed and not installed.
        """
        try:
            vectors = np.load(folder / "vectors.npy", allow_pickle=False)
            held = np.load(folder / "held.npy", allow_pickle=False)
            described = json.loads((folder / "index.json").read_text())
            settings = VectorIndexSettings(**described["settings"])
        except (OSError, ValueError, KeyError) as error:
            raise SnapshotError(f"no whole vector index in {folder}: {error}") from error
        if len(held) != len(vectors):
            raise SnapshotError(f"{folder}: {len(held)} marks for {len(vectors)} vectors")
        index = cls(vectors, settings)
        index.remove(np.flatnonzero(~held).astype(np.int32))
        return index

    def _build(self, queries: Float32[np.ndarray, "users dim"] | None) -> float:
        settings = self._settings
        row: Int64[np.ndarray, " items"] = np.arange(self._n_rows, dtype=np.int64)
        n_lists = settings.n_lists or max(1, round(2 * self._n_rows**0.5))
        self._lists = InvertedLists(row, self.vectors, min(n_lists, self._n_rows), settings.seed)
        asked = self.vectors if queries is None else queries
        drawn = np.random.default_rng(settings.seed + 1).permutation(len(asked))
        asked = np.ascontiguousarray(asked[drawn[: settings.n_sampled]])
        k = min(settings.recall_at, self._n_rows)
        truth = self._exact(asked, k, row.astype(np.int32))
        return self._lists.probe_for(asked, truth, settings.target_recall)

    def _exact(
        self, queries: Float32[np.ndarray, "users dim"], k: int, rows: Int32[np.ndarray, " some"]
    ) -> Int32[np.ndarray, "users found"]:
        """The best of `rows`, in no order; -1 is padding."""
        best = np.full((len(queries), 0), NO_ROW, np.int32)
        score = np.empty((len(queries), 0), np.float32)
        for first in range(0, len(rows), _BLOCK):
            part = rows[first : first + _BLOCK]
            dots = queries @ self._vectors[part].T
            score = np.concatenate([score, dots], axis=1)
            best = np.concatenate([best, np.broadcast_to(part, dots.shape)], axis=1)
            if score.shape[1] > k:
                kept = np.argpartition(-score, k - 1, axis=1)[:, :k]
                score = np.take_along_axis(score, kept, axis=1)
                best = np.take_along_axis(best, kept, axis=1)
        return best

    def _ordered(
        self,
        queries: Float32[np.ndarray, "users dim"],
        found: Int32[np.ndarray, "users found"],
        k: int,
    ) -> tuple[Int32[np.ndarray, "users k"], Float32[np.ndarray, "users k"]]:
        exact = np.empty(found.shape, np.float32)
        dot_pairs(np.ascontiguousarray(queries), self._vectors, found, exact)
        order = np.lexsort((found, -exact), axis=1)[:, :k]
        row = np.full((len(queries), k), NO_ROW, np.int32)
        score = np.full((len(queries), k), -np.inf, np.float32)
        row[:, : order.shape[1]] = np.take_along_axis(found, order, axis=1)
        score[:, : order.shape[1]] = np.take_along_axis(exact, order, axis=1)
        return row, score

    def _grow(self, n_rows: int) -> None:
        if n_rows > len(self._held):
            n_more = n_rows - len(self._held) + n_rows // 4
            spare = np.zeros((n_more, self.dim), np.float32)
            self._vectors = np.concatenate([self._vectors, spare])
            self._held = np.concatenate([self._held, np.zeros(n_more, np.bool_)])
        self._n_rows = max(self._n_rows, n_rows)


def _refuse_odd(vectors: Float32[np.ndarray, "some dim"]) -> None:
    if not np.isfinite(vectors).all():
        raise DataError("a vector holds NaN or infinity — vectors are finite")
