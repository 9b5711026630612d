"""What is known of items apart from events — publishers, keywords, features — as vectors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int64
from torch import Tensor, nn
from torch.nn import functional

from graphrec.errors import DataError, SettingsError
from graphrec.tgn.item_features import FeatureEncoder, ItemFeatures
from graphrec.tgn.name_text import TextEncoder, letters_of
from graphrec.tgn.settings import NetworkSettings

_LETTERS: Final = ("letter_ptr", "letter", "letter_weight")
_SMALLEST: Final = 1e-4
"""Added to a mean square, so that no vector is blown up."""


@dataclass(frozen=True, slots=True)
class NodeContent:
    """Names that stand at items — publishers first, then keywords — and features.

    Attributes:
        n_items: Items that have a row.
        n_publishers: Publishers that have a row.
        n_keywords: Keywords that have a row.
        ptr: Item i's names are `name[ptr[i]:ptr[i + 1]]`.
        name: Publisher row, or `n_publishers` plus keyword row.
        text: Every name in letters, publishers first; empty where a network's `text` is none.
        sentence: Its sentence vector; None unless a network's `text` is minilm.
        features: Numbers and categories; None where there are none.
    """

    n_items: int
    n_publishers: int
    n_keywords: int
    ptr: Int64[np.ndarray, " borders"]
    name: Int64[np.ndarray, " entries"]
    text: tuple[str, ...] = ()
    sentence: Float32[np.ndarray, "names sentence"] | None = None
    features: ItemFeatures | None = None

    @property
    def n_names(self) -> int:
        """Publishers and keywords together."""
        return self.n_publishers + self.n_keywords

    @property
    def is_known(self) -> bool:
        """Whether there is anything to encode."""
        return bool(self.n_names) or self.features is not None

    @classmethod
    def nothing(cls, n_items: int) -> "NodeContent":
        """Items of which nothing is known."""
        return cls(n_items, 0, 0, np.zeros(n_items + 1, np.int64), np.empty(0, np.int64))

    def tail(self, first: int) -> "NodeContent":
        """What is known of the items from row `first` on, as `ContentEncoder.grow` takes it."""
        return replace(
            self,
            n_items=self.n_items - first,
            ptr=self.ptr[first:] - self.ptr[first],
            name=self.name[self.ptr[first] :],
            features=None if self.features is None else self.features.tail(first),
        )

    def learnt_from(self, item_row: Int[np.ndarray, " events"]) -> "NodeContent":
        """The same content, its features scaled by the items of these events alone."""
        if self.features is None:
            return self
        return replace(self, features=self.features.learnt_from(item_row))


class NameTable(nn.Module):
    """Names of one kind: a free vector each, added to what the letters say, and who bears them."""

    def __init__(self, content: NodeContent, span: slice, settings: NetworkSettings) -> None:
        """Read the names whose rows lie in `span`.

        Raises:
            SettingsError: `text` needs letters or sentence vectors that the content lacks.
        """
        super().__init__()
        self._text, self._n_buckets = settings.text, settings.text_buckets
        n_names = span.stop - span.start
        # Where letters speak first, what is learnt of the name itself starts silent.
        size = settings.identity_size if settings.text == "none" else 0.0
        self.free = nn.Parameter(size * torch.randn(n_names, settings.dim))
        self._keep(("ptr", "entry"), _bags(content, span))
        if settings.text == "ngrams":
            self._keep(_LETTERS, letters_of(_text_of(content, span), self._n_buckets))
        elif settings.text == "minilm":
            self.register_buffer("sentence", torch.from_numpy(_sentences_of(content, span)))
        self.ptr: Tensor
        self.entry: Tensor
        self.letter_ptr: Tensor
        self.letter: Tensor
        self.letter_weight: Tensor
        self.sentence: Tensor

    def grow(self, content: NodeContent, span: slice) -> None:
        """Let items follow, and the names that are new to this table.

        Args:
            content: The new items alone; names that have a row keep it.
            span: Rows of this kind in `content`, no fewer than the table has.
        """
        n_known = len(self.free)
        n_more = span.stop - span.start - n_known
        ptr, entry = (torch.from_numpy(part).to(self.ptr.device) for part in _bags(content, span))
        self.ptr = torch.cat([self.ptr, self.ptr[-1] + ptr[1:]])
        self.entry = torch.cat([self.entry, entry])
        if not n_more:
            return
        fresh = slice(span.start + n_known, span.stop)
        self.free = nn.Parameter(
            torch.cat([self.free.data, self.free.new_zeros(n_more, self.free.shape[1])])
        )
        if self._text == "ngrams":
            more = letters_of(_text_of(content, fresh), self._n_buckets)
            ptr, bucket, weight = (torch.from_numpy(part).to(self.ptr.device) for part in more)
            self.letter_ptr = torch.cat([self.letter_ptr, self.letter_ptr[-1] + ptr[1:]])
            self.letter = torch.cat([self.letter, bucket])
            self.letter_weight = torch.cat([self.letter_weight, weight])
        elif self._text == "minilm":
            more_sentences = torch.from_numpy(_sentences_of(content, fresh)).to(self.ptr.device)
            self.sentence = torch.cat([self.sentence, more_sentences])

    def vectors(self, text: TextEncoder | None) -> Float[Tensor, "names dim"]:
        """Vector of every name, its entries about 1 in size."""
        if text is None or not len(self.free):
            return _even(self.free)
        if self._text == "ngrams":
            told = text.of_letters(self.letter_ptr, self.letter, self.letter_weight)
        else:
            told = text.of_sentences(self.sentence)
        return _even(told + self.free)

    def forward(self, text: TextEncoder | None) -> Float[Tensor, "items dim"]:
        """The mean of each item's names, its entries about 1 in size; 0 where it has none."""
        names = functional.embedding_bag(
            self.entry, self.vectors(text), self.ptr, mode="mean", include_last_offset=True
        )
        return _even(names)

    @property
    def is_used(self) -> bool:
        """Whether any item bears a name of this kind."""
        return bool(len(self.entry))

    def _keep(self, names: Sequence[str], arrays: Sequence[np.ndarray]) -> None:
        for name, array in zip(names, arrays, strict=True):
            self.register_buffer(name, torch.from_numpy(array))


class ContentEncoder(nn.Module):
    """Adds up what an item's publishers, its keywords, its features and its identity say.

    Each part is brought to one length before it gets its learned share, so that one publisher
    weighs the same beside two keywords and beside twenty. An item without events keeps its drawn
    identity, which is short beside its names: it starts from its content.
    """

    def __init__(self, content: NodeContent, settings: NetworkSettings) -> None:
        """Draw the vectors of what is known.

        Raises:
            SettingsError: `text` needs letters or sentence vectors that the content lacks.
        """
        super().__init__()
        self._identity_size = settings.identity_size
        border = content.n_publishers
        self.publishers = NameTable(content, slice(0, border), settings)
        self.keywords = NameTable(content, slice(border, content.n_names), settings)
        has_text = settings.text != "none" and content.n_names
        self.text = TextEncoder(settings) if has_text else None
        self.features = (
            FeatureEncoder(content.features, settings.dim) if content.features is not None else None
        )
        self.publisher_share = nn.Parameter(torch.tensor(0.7))
        self.keyword_share = nn.Parameter(torch.tensor(0.7))
        self.feature_share = nn.Parameter(torch.tensor(0.3))
        self.identity_share = nn.Parameter(torch.tensor(0.3))

    @property
    def n_publishers(self) -> int:
        """Publishers that have a vector."""
        return len(self.publishers.free)

    @property
    def n_keywords(self) -> int:
        """Keywords that have a vector."""
        return len(self.keywords.free)

    def grow(self, n_more: int, content: NodeContent | None = None) -> None:
        """Let `n_more` items follow.

        Args:
            n_more: How many.
            content: What is known of these items alone, by rows of names that continue the known
                ones (`NodeContent.tail`); None: nothing. New names start from their letters, or
                silent without `text`.

        Raises:
            DataError: `content` is of another number of items, or of fewer names.
            SettingsError: It lacks letters or sentence vectors that new names need.
        """
        if content is None:
            known = NodeContent.nothing(n_more)
            content = replace(known, n_publishers=self.n_publishers, n_keywords=self.n_keywords)
        if content.n_items != n_more:
            raise DataError(f"content of {content.n_items} items for {n_more} new ones")
        for kind, there, n_known in (
            ("publishers", content.n_publishers, self.n_publishers),
            ("keywords", content.n_keywords, self.n_keywords),
        ):
            if there < n_known:
                raise DataError(
                    f"new items come with {there:,} {kind} where {n_known:,} are known — rows of "
                    "names are only ever appended"
                )
        border = content.n_publishers
        self.publishers.grow(content, slice(0, border))
        self.keywords.grow(content, slice(border, content.n_names))
        if self.features is not None:
            self.features.grow(n_more, content.features)

    def name_vectors(self) -> Float[Tensor, "names dim"]:
        """Vector of every publisher, then of every keyword; not of unit length."""
        return torch.cat([table.vectors(self.text) for table in (self.publishers, self.keywords)])

    def forward(self, identity: Float[Tensor, "items dim"]) -> Float[Tensor, "items dim"]:
        """Vectors of items, not of unit length."""
        total = self.identity_share / self._identity_size * identity
        if self.publishers.is_used:
            total = total + self.publisher_share * self.publishers(self.text)
        if self.keywords.is_used:
            total = total + self.keyword_share * self.keywords(self.text)
        if self.features is not None:
            total = total + self.feature_share * _even(self.features())
        return total


def _even(vector: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
    """The same directions with a mean square of about 1; what is 0 stays 0."""
    return vector * torch.rsqrt(vector.square().mean(-1, keepdim=True) + _SMALLEST)


def _bags(
    content: NodeContent, span: slice
) -> tuple[Int64[np.ndarray, " borders"], Int64[np.ndarray, " entries"]]:
    """Names of one kind at each item, by their row within the kind."""
    mine = (content.name >= span.start) & (content.name < span.stop)
    before = np.concatenate([[0], np.cumsum(mine)])
    return before[content.ptr].astype(np.int64), content.name[mine] - span.start


def _text_of(content: NodeContent, span: slice) -> tuple[str, ...]:
    if len(content.text) != content.n_names:
        raise SettingsError(
            f"text ngrams with {len(content.text)} names in letters — every one of "
            f"{content.n_names} needs them"
        )
    return content.text[span]


def _sentences_of(content: NodeContent, span: slice) -> Float32[np.ndarray, "names sentence"]:
    if content.sentence is None or len(content.sentence) != content.n_names:
        raise SettingsError(
            f"text minilm without a sentence vector for each of {content.n_names} names"
        )
    return np.ascontiguousarray(content.sentence[span])
