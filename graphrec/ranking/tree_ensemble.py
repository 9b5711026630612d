"""A boosted ensemble of trees as flat arrays: LightGBM's text, scored without LightGBM."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt, UInt8, UInt32

from graphrec.errors import DataError
from graphrec.kernels.trees import IS_CATEGORICAL, LOWEST_BIT_HASH, score_trees

MAX_LEAVES: Final = 64
_SLOTS: Final = 64


@dataclass(frozen=True, slots=True)
class TreeEnsemble:
    """Trees of at most 64 leaves, as `score_trees` reads them.

    Attributes:
        n_features: Columns it wants.
        leaf_value: What each leaf adds to the score, at the slot of its bit.
        node_ptr: Tree t has the splits `[node_ptr[t], node_ptr[t + 1])`.
        split_feature: Column each split looks at.
        threshold: Largest value that goes left, rounded down to 32 bits.
        kind: LightGBM's bits of a split: categorical, default to the left, zero or NaN missing.
        kept: Bits of the leaves that are not on a split's left.
        member_ptr: Split n's categories are the bits of `members[member_ptr[n]:member_ptr[n + 1]]`.
        members: Bit sets of the categories that go left, each with an empty word behind it.
    """

    n_features: int
    leaf_value: Float64[np.ndarray, "trees 64"]
    node_ptr: Int64[np.ndarray, " trees+1"]
    split_feature: Int32[np.ndarray, " nodes"]
    threshold: Float32[np.ndarray, " nodes"]
    kind: UInt8[np.ndarray, " nodes"]
    kept: UInt[np.ndarray, " nodes"]
    member_ptr: Int64[np.ndarray, " nodes+1"]
    members: UInt32[np.ndarray, " words"]

    @classmethod
    def of_text(cls, text: str) -> "TreeEnsemble | None":
        """Read the text of a LightGBM booster.

        Returns:
            The ensemble; None where the kernel cannot stand in for LightGBM: several outputs, more
            than 64 leaves in a tree, linear leaves, or averaged trees.

        Raises:
            DataError: The text is damaged.
        """
        head, *rest = text.split("\nTree=")
        said = dict(_pairs(head))
        if said.get("num_tree_per_iteration") != "1" or "average_output" in head.split():
            return None
        trees = [_Tree.of_block(dict(_pairs(block.split("end of trees")[0]))) for block in rest]
        if any(tree.is_linear or len(tree.leaf_value) > MAX_LEAVES for tree in trees):
            return None
        n_features = int(said["max_feature_idx"]) + 1
        for place, tree in enumerate(trees):
            if not tree.is_whole(n_features):
                raise DataError(f"tree {place} is damaged — its splits and leaves form no tree")
        return cls._of_trees(n_features, trees)

    @classmethod
    def _of_trees(cls, n_features: int, trees: "list[_Tree]") -> "TreeEnsemble":
        most = max((len(tree.leaf_value) for tree in trees), default=1)
        leaf_value = np.zeros((len(trees), _SLOTS))
        kept: list[int] = []
        for row, tree in enumerate(trees):
            order, own = tree.leaves_from_the_left()
            leaf_value[row, _slots(len(order))] = tree.leaf_value[order]
            kept += own
        words = np.array(kept, np.uint64)
        members = [words for tree in trees for words in tree.members()]
        return cls(
            n_features,
            leaf_value,
            np.cumsum([0, *(len(tree.feature) for tree in trees)], dtype=np.int64),
            np.concatenate([np.empty(0, np.int32), *(tree.feature for tree in trees)]),
            _rounded_down(np.concatenate([np.empty(0), *(tree.threshold for tree in trees)])),
            np.concatenate([np.empty(0, np.uint8), *(tree.kind for tree in trees)]),
            words.astype(np.uint32) if most <= 32 else words,
            np.cumsum([0, *(len(words) for words in members)], dtype=np.int64),
            np.concatenate([np.empty(0, np.uint32), *members]),
        )

    def score(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float64[np.ndarray, " pairs"]:
        """The sum over the trees, as LightGBM's `predict(raw_score=True)` adds it up.

        Raises:
            DataError: The features have another number of columns.
        """
        if features.shape[1] != self.n_features:
            raise DataError(
                f"{features.shape[1]} columns of features — the trees were trained on "
                f"{self.n_features}"
            )
        score = np.empty(len(features))
        score_trees(
            features,
            self.node_ptr,
            self.split_feature,
            self.threshold,
            self.kind,
            self.kept,
            self.member_ptr,
            self.members,
            self.leaf_value,
            score,
        )
        return score


@dataclass(frozen=True, slots=True)
class _Tree:
    """One tree in LightGBM's numbering: child c >= 0 is a split, c < 0 the leaf ~c."""

    feature: Int32[np.ndarray, " nodes"]
    threshold: Float64[np.ndarray, " _"]
    kind: UInt8[np.ndarray, " _"]
    left: Int32[np.ndarray, " _"]
    right: Int32[np.ndarray, " _"]
    leaf_value: Float64[np.ndarray, " leaves"]
    member_borders: Int32[np.ndarray, " _"]
    member_words: UInt32[np.ndarray, " _"]
    is_linear: bool

    @classmethod
    def of_block(cls, said: dict[str, str]) -> "_Tree":
        """Read the lines of one tree."""

        def numbers(name: str, kind: type) -> np.ndarray:
            return np.array(said.get(name, "").split()).astype(kind)

        return cls(
            numbers("split_feature", np.int32),
            numbers("threshold", np.float64),
            numbers("decision_type", np.uint8),
            numbers("left_child", np.int32),
            numbers("right_child", np.int32),
            numbers("leaf_value", np.float64),
            numbers("cat_boundaries", np.int32),
            numbers("cat_threshold", np.uint32),
            said.get("is_linear", "0") != "0",
        )

    def is_whole(self, n_features: int) -> bool:
        """Whether every split and every leaf hangs in one place, and looks at a column there is.

        The kernel checks nothing, so that a damaged text must not reach it.
        """
        n_splits = len(self.feature)
        columns = (self.threshold, self.kind, self.left, self.right)
        if any(len(column) != n_splits for column in columns):
            return False
        # A split's number is above its parent's in LightGBM's text, so that no circle can close.
        parent = np.arange(n_splits)
        is_below = all(((c < 0) | (c > parent)).all() for c in (self.left, self.right))
        hung = np.sort(np.concatenate([self.left, self.right]))
        expected = np.concatenate([np.arange(-len(self.leaf_value), 0), np.arange(1, n_splits)])
        return (
            len(self.leaf_value) == n_splits + 1
            and is_below
            and (n_splits == 0 or np.array_equal(hung, expected))
            and bool(((self.feature >= 0) & (self.feature < n_features)).all())
        )

    def leaves_from_the_left(self) -> tuple[list[int], list[int]]:
        """The leaves from left to right, and for each split the bits of all but its left ones."""
        order: list[int] = []
        kept = [0] * len(self.feature)

        def visit(child: int) -> None:
            if child < 0:
                order.append(~child)
                return
            first = len(order)
            visit(int(self.left[child]))
            on_left = (1 << len(order)) - (1 << first)
            kept[child] = ((1 << 64) - 1) & ~on_left
            visit(int(self.right[child]))

        visit(0 if len(self.feature) else -1)
        return order, kept

    def members(self) -> Iterator[UInt32[np.ndarray, " _"]]:
        """The categories each split sends to the left, as words of bits; none for a threshold."""
        for kind, threshold in zip(self.kind, self.threshold, strict=True):
            if kind & IS_CATEGORICAL:
                first, last = self.member_borders[int(threshold) : int(threshold) + 2]
                yield np.append(self.member_words[first:last], np.uint32(0))
            else:
                yield np.empty(0, np.uint32)


def _pairs(block: str) -> Iterator[tuple[str, str]]:
    for line in block.splitlines():
        name, is_pair, value = line.partition("=")
        if is_pair:
            yield name, value


def _slots(n_leaves: int) -> Int64[np.ndarray, " leaves"]:
    bit = np.uint64(1) << np.arange(n_leaves, dtype=np.uint64)
    return ((bit * LOWEST_BIT_HASH) >> np.uint64(58)).astype(np.int64)


def _rounded_down(threshold: Float64[np.ndarray, " nodes"]) -> Float32[np.ndarray, " nodes"]:
    """The largest 32-bit numbers that are not above: 32-bit values compare with them alike."""
    with np.errstate(over="ignore"):
        near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)
