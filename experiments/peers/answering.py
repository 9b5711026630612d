"""What all peers' scripts share: try a grid on validation, or answer both parts as chosen.

Needs NumPy, SciPy and pyarrow only, so that it runs in each peer's own environment.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_array

from experiments.peers.answer_files import (
    Answerer,
    hardware,
    versions_of,
    with_fallback,
    write_answers,
)
from experiments.peers.split_files import PARTS, History, Split, read_split

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Answered:
    """A peer's answers to some queries.

    Attributes:
        users: A vector for each query.
        items: A vector for each item; the score is the dot product.
        has_vector: Whether each query has a vector; the others get what is popular.
        known: Whether each item can be scored; the others come last.
    """

    users: np.ndarray
    items: np.ndarray
    has_vector: np.ndarray
    known: np.ndarray


class Peer(Protocol):
    """A method of another package."""

    name: str
    packages: Sequence[str]
    grid: Sequence[Settings]

    def fit(
        self, users: np.ndarray, items: np.ndarray, n_items: int, settings: Settings, seed: int
    ) -> None:
        """Learn from events, given as a user row and an item row each, in order of time."""

    def vectors(self, split: Split, queries: np.ndarray) -> Answered:
        """Answer `queries`, numbers of the split's queries, out of what each of them knows."""


REFITTED = "training, and for the test's answers validation too"


def run(peer: Peer) -> None:
    """The command line of one peer."""
    parser = argparse.ArgumentParser(description=f"Answer a split with {peer.name}.")
    parser.add_argument("split", type=Path, help="folder that write_split wrote")
    parser.add_argument("answers", type=Path, help="folder of folders of answers")
    parser.add_argument("--chosen", type=Path, help="what `rank --validation` wrote; else the grid")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="with --chosen")
    parser.add_argument("--refit", action="store_true", help="fit anew where the test begins")
    parser.add_argument("--test", action="store_true", help="let the grid answer the test too")
    parser.add_argument("--skip", type=int, default=0, help="settings of the grid already answered")
    asked = parser.parse_args()
    split = read_split(asked.split)
    short = peer.name.split(" ", maxsplit=1)[0].lower()
    if asked.chosen is None:
        for number, settings in list(enumerate(peer.grid))[asked.skip :]:
            who = Answerer(f"{peer.name}, seed 0", peer.name, settings, 0, split.sha256)
            parts = PARTS if asked.test else PARTS[:1]
            answer(peer, split, asked.answers / f"{short}-{number}", who, parts)
        return
    settings = json.loads(asked.chosen.read_text(encoding="utf-8"))["peers"][peer.name]["chosen"]
    for seed in asked.seeds:
        who = Answerer(f"{peer.name}, seed {seed}", peer.name, settings, seed, split.sha256)
        folder = asked.answers / f"{short}-seed-{seed}"
        if asked.refit:
            name = f"{peer.name}, refitted, seed {seed}"
            who = replace(who, name=name, fitted_on=REFITTED)
            folder = asked.answers / f"{short}-refitted-seed-{seed}"
        answer(peer, split, folder, who, PARTS)


def answer(peer: Peer, split: Split, folder: Path, who: Answerer, parts: Sequence[str]) -> None:
    """Fit `peer` as `who` says and write its answers to `parts` to `folder`."""
    answers, seconds, fitted_until_test = {}, {"fit": 0.0, "answer": 0.0}, None
    for part in parts:
        until_test = who.fitted_on == REFITTED and part == "test"
        started = time.perf_counter()
        if until_test != fitted_until_test:
            users, items = split.fitted(until_test=until_test)
            peer.fit(users, items, split.n_items, who.settings, who.seed)
            fitted_until_test = until_test
        seconds["fit"] += time.perf_counter() - started
        started = time.perf_counter()
        answers[part] = _arrays(peer, split, part, np.bincount(items, minlength=split.n_items))
        seconds["answer"] += time.perf_counter() - started
    seconds = {name: round(value, 2) for name, value in seconds.items()}
    packages = versions_of((*peer.packages, "numpy"))
    who = replace(who, seconds=seconds, versions=packages, hardware=hardware())
    write_answers(folder, who, answers)
    print(f"{who.name}, {dict(who.settings)}: {seconds}", flush=True)


def _arrays(
    peer: Peer, split: Split, part: str, popularity: np.ndarray
) -> Mapping[str, np.ndarray]:
    answered = peer.vectors(split, split.which(part))
    users, items = with_fallback(answered.users, answered.items, answered.has_vector, popularity)
    return {"users": users, "items": items, "known": answered.known & (popularity > 0)}


def history_means(history: History, items: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mean vector of the known items in each history, zeros where there are none."""
    query = np.repeat(np.arange(len(history)), history.length)
    kept = known[history.item]
    member = csr_array(
        (np.ones(kept.sum(), np.float32), (query[kept], history.item[kept])),
        shape=(len(history), len(items)),
    )
    count = np.maximum(member.sum(axis=1), 1)
    return np.asarray(member @ items / count[:, None], np.float32)
