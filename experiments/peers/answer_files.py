"""A peer's answers as files: vectors whose dot product scores, or the scores themselves.

A folder holds `answer.json` (who answered, how it was made) and, for each part that was answered,
`validation.npz` or `test.npz` with one row for each query of that part, in the split's order:

- `users` (queries, dim) and `items` (items, dim), float32: the score is their dot product; or
- `scores` (queries, items), float32.

`known` (items), bool, marks items that the peer can score; the others, and scores of minus
infinity, come last and tie. Needs NumPy only, so that it runs in each peer's own environment.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Answerer:
    """Who answered a split, and how it was made.

    Attributes:
        name: Name in tables.
        peer: Method and package, such as `ALS (implicit)`.
        settings: What was chosen or tried.
        seed: What everything random was started from.
        split_sha256: `Split.sha256` of what was asked.
        fitted_on: What the test's answers were fitted on.
        seconds: Wall-clock time by step.
        versions: Python and the packages that matter.
        hardware: In words.
    """

    name: str
    peer: str
    settings: Mapping[str, Any]
    seed: int
    split_sha256: str
    fitted_on: str = "training"
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: str = ""


def versions_of(packages: Sequence[str]) -> dict[str, str]:
    """Versions of Python and of `packages`."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def hardware() -> str:
    """Cores this process may use."""
    return f"{len(os.sched_getaffinity(0))} CPU cores, {platform.machine()}"


def with_fallback(
    users: np.ndarray, items: np.ndarray, has_vector: np.ndarray, popularity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Let queries without a vector be answered by popularity, through one more dimension.

    Args:
        users: A vector for each query; rows without one are ignored.
        items: A vector for each item.
        has_vector: Whether each query has a vector.
        popularity: Fitted events of each item.
    """
    own = np.where(has_vector[:, None], users, 0.0)
    # Counts up to 2**24 are whole in float32, and so tie and differ as they should.
    return (
        np.column_stack([own, ~has_vector]).astype(np.float32),
        np.column_stack([items, popularity]).astype(np.float32),
    )


def write_answers(
    folder: Path, answerer: Answerer, parts: Mapping[str, Mapping[str, np.ndarray]]
) -> None:
    """Write arrays by part, and who answered; a part that is not given is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.npz"):
        stale.unlink()
    for part, arrays in parts.items():
        np.savez(folder / f"{part}.npz", **arrays)
    text = json.dumps(asdict(answerer), indent=1, ensure_ascii=False)
    (folder / "answer.json").write_text(text + "\n", encoding="utf-8")


def read_answerer(folder: Path) -> Answerer:
    """Who answered in `folder`."""
    return Answerer(**json.loads((folder / "answer.json").read_text(encoding="utf-8")))


def read_part(folder: Path, part: str) -> dict[str, np.ndarray]:
    """The arrays of one part."""
    with np.load(folder / f"{part}.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
