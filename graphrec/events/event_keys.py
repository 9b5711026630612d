"""Event ids, text or integers, as the 64-bit keys by which a repeated event is known."""

import numpy as np
import polars as pl
from jaxtyping import Int64, UInt64

from graphrec.errors import DataError
from graphrec.kernels.hashing import hash_texts, mix_integers, unmix_integers


def event_keys(ids: pl.Series) -> UInt64[np.ndarray, " events"]:
    """The key of every event id.

    Args:
        ids: Integers (int64) or text, without nulls.

    Returns:
        Keys that depend on the id alone: not on version, machine, file format or the other ids.
        Integers keep apart for certain; text, which is hashed, except by a chance of 2^-64 a
        pair. Text that prints an int64 has the key of that integer.

    Raises:
        DataError: The ids are neither integers nor text, or hold nulls.

    Source:
        XXH64 with seed 0 for text; the finaliser of SplitMix64 for integers.
    """
    if ids.null_count():
        raise DataError(f"{ids.null_count()} null event ids — every event needs one, or none has")
    keys = np.empty(len(ids), dtype=np.uint64)
    if ids.dtype.is_integer():
        mix_integers(ids.cast(pl.Int64).to_numpy().view(np.uint64), keys)
        return keys
    if ids.dtype != pl.String:
        raise DataError(f"event ids of type {ids.dtype} — they are integers or text")
    texts = ids.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = texts.buffers()
    spans = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    hash_texts(np.frombuffer(data or b"", np.uint8), spans, keys)
    return keys


def event_key(event_id: int | str) -> int:
    """The key of one event id; see `event_keys`."""
    return int(event_keys(pl.Series([event_id]))[0])


def ids_of_keys(keys: UInt64[np.ndarray, " events"]) -> Int64[np.ndarray, " events"]:
    """Integers whose keys these are: the ids themselves where they were integers."""
    ids = np.empty(len(keys), dtype=np.uint64)
    unmix_integers(keys, ids)
    return ids.view(np.int64)
