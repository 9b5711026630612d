"""Vectors in lists around centres, of which a search looks through the nearest: FAISS's IVF."""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from graphrec.errors import SettingsError, SnapshotError

_TRAINED_ON = 64
"""Vectors for each centre in training; FAISS asks for 39 at least."""

_ONE_SIDED_99 = 2.326


def import_faiss() -> ModuleType:
    """FAISS.

    Raises:
        SettingsError: It is not installed.
    """
    try:
        return importlib.import_module("faiss")
    except ImportError as error:
        raise SettingsError(
            "an index of so many vectors needs FAISS, which is not installed — "
            "pip install 'graphrec[rank]', or raise exact_below"
        ) from error


class InvertedLists:
    """Approximate search of the highest inner products.

    Vectors of unequal length get one more coordinate that makes them all equally long, where it is
    0 in every query: inner products stay, and the nearest centre is again the most promising one.

    Source:
        Jégou et al. 2011, doi:10.1109/TPAMI.2010.57 for the lists; Bachrach et al. 2014,
        doi:10.1145/2645710.2645741 for the coordinate.
    """

    def __init__(
        self,
        row: Int64[np.ndarray, " some"],
        vector: Float32[np.ndarray, "some dim"],
        n_lists: int,
        seed: int,
    ) -> None:
        """Find centres and put every vector into the list of its nearest one.

        Raises:
            SettingsError: FAISS is not installed.
        """
        faiss = import_faiss()
        squared = np.einsum("ij,ij->i", vector, vector)
        self._squared = float(squared.max(initial=0.0))
        self._even = bool(squared.min(initial=self._squared) > 0.999 * self._squared)
        self.n_probed = 1
        width = vector.shape[1] + (0 if self._even else 1)
        quantizer = faiss.IndexFlatIP(width)
        self._index: Any = faiss.IndexIVFFlat(quantizer, width, n_lists, faiss.METRIC_INNER_PRODUCT)
        self._index.cp.spherical = True
        self._index.cp.seed = seed % (1 << 31)
        self._index.cp.niter = 10
        drawn = np.random.default_rng(seed).permutation(len(row))[: _TRAINED_ON * n_lists]
        self._index.train(self._lengthened(vector[np.sort(drawn)]))
        self._index.set_direct_map_type(faiss.DirectMap.Hashtable)
        self.add(row, vector)

    def __getstate__(self) -> dict[str, Any]:
        """Everything, with what FAISS knows as bytes."""
        return {**vars(self), "_index": import_faiss().serialize_index(self._index)}

    def __setstate__(self, kept: Mapping[str, Any]) -> None:
        """Read the bytes.

        Raises:
            SettingsError: FAISS is not installed.
            SnapshotError: They are no index of FAISS.
        """
        vars(self).update(kept)
        try:
            self._index = import_faiss().deserialize_index(kept["_index"])
        except RuntimeError as error:
            raise SnapshotError("the lists of a vector index are damaged") from error

    @property
    def n_lists(self) -> int:
        """Lists there are."""
        return int(self._index.nlist)

    def add(self, row: Int64[np.ndarray, " some"], vector: Float32[np.ndarray, "some dim"]) -> None:
        """Add vectors of rows that are not held."""
        self._index.add_with_ids(self._lengthened(vector), row)

    def remove(self, row: Int64[np.ndarray, " some"]) -> None:
        """Remove rows; those that are not held are passed over."""
        self._index.remove_ids(import_faiss().IDSelectorArray(np.ascontiguousarray(row)))

    def search(
        self,
        query: Float32[np.ndarray, "users dim"],
        k: int,
        allowed: Bool[np.ndarray, " items"] | None = None,
    ) -> Int32[np.ndarray, "users k"]:
        """Rows of about the highest inner products, best first; -1 is padding.

        Args:
            query: What is asked for.
            k: At most this many.
            allowed: Rows that may be found; the fewer, the more lists are looked through.
        """
        faiss, n_probed, selector = import_faiss(), self.n_probed, None
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
            n_probed = int(n_probed * len(allowed) / max(int(allowed.sum()), 1))
        chosen = faiss.SearchParametersIVF(nprobe=min(n_probed, self.n_lists), sel=selector)
        padded = query
        if not self._even:
            padded = np.concatenate([query, np.zeros((len(query), 1), np.float32)], axis=1)
        _, row = self._index.search(np.ascontiguousarray(padded), k, params=chosen)
        return np.asarray(row, dtype=np.int32)

    def probe_for(
        self,
        query: Float32[np.ndarray, "users dim"],
        truth: Int32[np.ndarray, "users k"],
        target: float,
    ) -> float:
        """Look through as few lists as find the target share of the true rows.

        The share counts as reached when it is by 2.33 standard errors, so that other queries of
        the same kind reach it, too.

        Returns:
            The share that was found.
        """
        low, high = 0, 1
        recall, is_reached = self._recall_with(high, query, truth, target)
        while not is_reached and high < self.n_lists:
            low, high = high, min(2 * high, self.n_lists)
            recall, is_reached = self._recall_with(high, query, truth, target)
        while high - low > 1 and high - low > high // 16:
            middle = (low + high) // 2
            found, is_reached = self._recall_with(middle, query, truth, target)
            if is_reached:
                high, recall = middle, found
            else:
                low = middle
        self.n_probed = high
        return recall

    def _recall_with(
        self,
        n_probed: int,
        query: Float32[np.ndarray, "users dim"],
        truth: Int32[np.ndarray, "users k"],
        target: float,
    ) -> tuple[float, bool]:
        self.n_probed = n_probed
        recall = recall_of(self.search(query, truth.shape[1]), truth)
        error = float(recall.std()) / max(len(recall), 1) ** 0.5
        mean = float(recall.mean())
        return mean, mean - _ONE_SIDED_99 * error >= target

    def _lengthened(
        self, vector: Float32[np.ndarray, "some dim"]
    ) -> Float32[np.ndarray, "some width"]:
        if self._even:
            return np.ascontiguousarray(vector)
        squared = np.einsum("ij,ij->i", vector, vector)
        missing = np.sqrt(np.maximum(self._squared - squared, 0.0)).astype(np.float32)
        return np.concatenate([vector, missing[:, None]], axis=1)


def recall_of(
    found: Int32[np.ndarray, "users more"], truth: Int32[np.ndarray, "users k"]
) -> Float64[np.ndarray, " users"]:
    """Share of each query's true rows, -1 left out, that were found; 1 where there are none."""
    share = np.ones(len(truth), np.float64)
    for query, (own, true) in enumerate(zip(found, truth, strict=True)):
        wanted = true[true >= 0]
        if len(wanted):
            share[query] = np.isin(wanted, own).mean()
    return share
