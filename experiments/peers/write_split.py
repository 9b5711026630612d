"""Write the very split that an experiment's stream protocol asks about.

`python -m experiments.peers.write_split experiments/movies-tmdb-small.yaml runs/peers/movies/split`

Nothing is cut anew: a source that only notes what it is asked goes through `evaluate_stream`, and
what it was fitted on and asked is the split.
"""

import argparse
from pathlib import Path

import numpy as np

from experiments.peers.split_files import Split, write_split
from graphrec.errors import SettingsError
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.stream import evaluate_stream
from graphrec.experiment.running import events_of, load_data, load_experiment
from graphrec.experiment.settings import ExperimentSettings, StreamProtocol
from graphrec.stages import Candidates, Eligibility, Interactions, Queries

RULES = {
    "fit": "training.parquet only; validation may choose settings",
    "known": "a query knows the first history_length events of its user, oldest first, in the log "
    "training.parquet followed by queries.parquet",
    "strict": "every event of an earlier second is known, none of the same second",
    "seen hide": "items in the user's history are no candidates; allow: they are",
    "same_second exclude": "other items the user has at the very second are no candidates",
    "excluding": "is done where answers are ranked, peers need not",
    "ties": "a tie counts half a rank",
}


class NoteTaker:
    """A source that answers nothing and notes what it is fitted on and asked."""

    name = "note taker"
    absorbs = False

    def __init__(self) -> None:
        self.user_row: list[np.ndarray] = []
        self.history_length: list[np.ndarray] = []
        self.n_training = self.n_items = 0

    def fit(self, events: Interactions, cut_s: int) -> None:  # noqa: ARG002 - the protocol's call
        """Note how many events may be fitted."""
        self.n_training, self.n_items = len(events), events.n_items

    def absorb(self, events: Interactions) -> None:
        """Never called: `absorbs` is false."""
        raise NotImplementedError

    def score(self, queries: Queries) -> np.ndarray:
        """Note who asks and how much is known of them."""
        self.user_row.append(queries.user_row)
        self.history_length.append(np.diff(queries.history_ptr))
        return np.zeros((len(queries), self.n_items), np.float32)

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """Never called: protocols ask for scores."""
        raise NotImplementedError


def stream_protocol(settings: ExperimentSettings) -> StreamProtocol:
    """The one stream protocol of an experiment.

    Raises:
        SettingsError: It has none, or several.
    """
    found = [one for one in settings.evaluate if isinstance(one, StreamProtocol)]
    if len(found) != 1:
        raise SettingsError(f"{settings.name}: {len(found)} stream protocols — peers answer one")
    return found[0]


def split_of(settings: ExperimentSettings, events: Interactions) -> Split:
    """What the experiment's stream protocol lets a source fit, and what it asks."""
    protocol = stream_protocol(settings)
    cuts = Cuts.at_quantiles(events, protocol.training, protocol.validation)
    notes = NoteTaker()
    [asked] = evaluate_stream([notes], events, cuts, protocol)
    questions = asked.questions
    if not np.array_equal(np.concatenate(notes.user_row), questions.user_row):
        raise SettingsError(f"{settings.name}: queries were not asked in the order of the log")
    return Split(
        settings.name,
        events.n_users,
        events.n_items,
        notes.n_training,
        events.time_s,
        events.user_row,
        events.item_row,
        questions.split == 1,
        np.concatenate(notes.history_length).astype(np.int64),
        {"protocol": protocol.model_dump(mode="json"), "label": questions.label, **RULES},
    )


def main() -> None:
    """Write one split."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", type=Path, help="experiment file")
    parser.add_argument("folder", type=Path, help="where the split goes")
    chosen = parser.parse_args()
    settings = load_experiment(chosen.experiment)
    split = split_of(settings, events_of(load_data(settings.data), settings.data))
    write_split(split, chosen.folder)
    print(
        f"{split.name}: {split.n_training:,} events to fit, {len(split.which('validation')):,} "
        f"validation and {len(split.which('test')):,} test queries, {split.n_items:,} items"
    )


if __name__ == "__main__":
    main()
