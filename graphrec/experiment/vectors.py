"""Vectors of users, items, publishers and keywords by id, and what lies next to what."""

from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
import polars as pl
from jaxtyping import Float32

from graphrec.errors import SettingsError
from graphrec.events.dataset import Dataset
from graphrec.events.history import HistoryIndex
from graphrec.events.ids import IdMap, Key
from graphrec.experiment.trained import read_weights, source_of_weights
from graphrec.snapshot import Snapshot, write_snapshot

VectorType = Literal["user", "item", "publisher", "keyword"]
VECTOR_TYPES: Final[tuple[VectorType, ...]] = get_args(VectorType)


class NodeVectors:
    """Vectors in one space: the dot product of any two says how well they go together.

    Items, publishers and keywords have vectors of length 1; a user's is what the user asks for just
    after the log's last event.
    """

    def __init__(self, dataset: Dataset, weights: Path) -> None:
        """Read a trained network.

        Raises:
            SnapshotError: The weights are damaged, or belong to another log.
        """
        self._dataset = dataset
        self._source = source_of_weights(read_weights(weights, dataset), dataset)
        events = dataset.log.interactions()
        self._cut_s = int(dataset.log.time_s[-1]) + 1 if len(dataset.log) else 0
        self._source.fit(events, self._cut_s)
        self._history = HistoryIndex(events)

    def of(self, kind: VectorType) -> Float32[np.ndarray, "nodes dim"]:
        """Vector of every node of a type, in row order.

        Raises:
            SettingsError: The network was trained without publishers and keywords.
        """
        if kind == "user":
            everyone = np.arange(self._dataset.n_users, dtype=np.int32)
            now_s = np.full(len(everyone), self._cut_s, np.int64)
            return self._source.user_vectors(self._history.queries(everyone, now_s))
        if kind == "item":
            return self._source.item_vectors()
        names = self._source.name_vectors()
        if names is None:
            raise SettingsError(f"the network has no {kind} vectors — it was trained without any")
        n_publishers = self._dataset.log.n_nodes.get("publisher", 0)
        return names[:n_publishers] if kind == "publisher" else names[n_publishers:]

    def nearest(
        self, kind: VectorType, key: Key, to: VectorType, k: int
    ) -> list[tuple[Key, float]]:
        """The `k` nodes of type `to` with the highest dot product with one node, itself left out.

        Raises:
            UnknownIdError: There is no such node.
            SettingsError: The network lacks vectors of a type.
        """
        row = self._ids(kind).row(key)
        score = self.of(to) @ self.of(kind)[row]
        if kind == to:
            score[row] = -np.inf
        best = np.argsort(-score, kind="stable")[: min(k, len(score) - (kind == to))]
        return [(self._ids(to).key(int(place)), float(score[place])) for place in best]

    def write(self, folder: Path) -> dict[str, int]:
        """Write `users.parquet`, `items.parquet`, ... as a snapshot: an id and a vector a row.

        Returns:
            Rows by file name.

        Raises:
            SnapshotError: `folder` holds something else, or cannot be written.
        """
        tables = {}
        for kind in VECTOR_TYPES:
            ids = self._dataset.ids.get(kind)
            if ids is None or not len(ids) or (kind not in ("user", "item") and not self._named):
                continue
            vectors = self.of(kind)
            shape = pl.Array(pl.Float32, vectors.shape[1])
            tables[f"{kind}s"] = pl.DataFrame(
                {f"{kind}_id": ids.keys, "vector": pl.Series(vectors, dtype=shape)}
            )
        counts = {name: len(table) for name, table in tables.items()}
        settings = {"data": self._dataset.name, "data_sha256": self._dataset.sha256}
        write_snapshot(Snapshot({}, tables, settings, self._cut_s, counts), folder)
        return {f"{name}.parquet": rows for name, rows in counts.items()}

    @property
    def _named(self) -> bool:
        return self._source.name_vectors() is not None

    def _ids(self, kind: VectorType) -> IdMap:
        ids = self._dataset.ids.get(kind)
        if ids is None:
            raise SettingsError(f"{self._dataset.name} has no {kind}s")
        return ids
