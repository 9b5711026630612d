"""SASRec of RecTools: `python -m experiments.peers.sasrec SPLIT ANSWERS`.

Trained by the package on the fitted events. Every query is encoded by the package's own network
from the newest `session_max_len` events known then. RecTools trains on each user's last events
only; `pieces: true` cuts longer histories into as many sessions as it takes to train on every
event. The package's softmax loss is computed where there is something to predict only, not on
padding too, and in the order of memory: the same number, several times as fast on a CPU.
"""

import logging
import warnings
from itertools import pairwise, product

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools.models.nn.transformers.lightning import TransformerLightningModule

from experiments.peers.answering import Answered, Settings, run
from experiments.peers.split_files import Split

BATCH = 256


class LossWherePredicted(TransformerLightningModule):
    """RecTools' training with its softmax loss taken at the positions that have a target."""

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:  # noqa: ARG002
        """Mean cross-entropy over the whole catalogue; every weight is 1."""
        embedded = self.torch_model.item_model.get_all_embeddings()
        encoded = self.torch_model.encode_sessions(batch, embedded)
        real = batch["y"] > 0
        logits = encoded[real] @ embedded.T
        return torch.nn.functional.cross_entropy(logits, batch["y"][real])


class SASRecPeer:
    """Causal self-attention over the sequence of items, full softmax over the catalogue."""

    name = "SASRec (RecTools)"
    packages = ("rectools", "torch", "pytorch_lightning")
    # The second part goes on where the first had its best at an end.
    grid = tuple(
        {"n_factors": 64, "n_blocks": 2, "n_heads": 2, "dropout_rate": 0.2, "lr": rate}
        | {"session_max_len": length, "pieces": pieces, "epochs": epochs}
        for rate, (length, pieces), epochs in (
            *product((1e-3,), ((50, True), (100, False)), (5, 10, 20)),
            *product((3e-3,), ((50, True),), (10, 20, 40)),
        )
    )

    def __init__(self) -> None:
        self._fitted: object = None

    def fit(
        self, users: np.ndarray, items: np.ndarray, n_items: int, settings: Settings, seed: int
    ) -> None:
        """Train to the number of epochs asked for, on from where the same settings have got to."""
        shared = {name: value for name, value in settings.items() if name != "epochs"}
        n_epochs = settings["epochs"]
        if self._fitted != (shared, seed, len(items)) or self._epochs > n_epochs:
            model = {name: value for name, value in shared.items() if name != "pieces"}
            torch.set_num_threads(1)
            seed_everything(seed, verbose=False)
            self._model = SASRecModel(
                **model,
                loss="softmax",
                batch_size=32,
                epochs=n_epochs,
                lightning_module_type=LossWherePredicted,
            )
            length = settings["session_max_len"] + 1 if settings["pieces"] else None
            self._log = Dataset.construct(_frame(users, items, length))
            self._n_items, self._length, self._epochs = n_items, settings["session_max_len"], 0
            self._fitted = (shared, seed, len(items))
        more = n_epochs - self._epochs
        if more:
            self._model.fit_partial(self._log, min_epochs=more, max_epochs=more)
            self._epochs = n_epochs

    def vectors(self, split: Split, queries: np.ndarray) -> Answered:
        """Encode the newest events of each query."""
        ids = self._model.data_preparator.item_id_map
        row = self._model.data_preparator.get_known_item_ids().astype(np.int64)
        token = np.zeros(self._n_items, np.int64)
        token[row] = ids.convert_to_internal(row)
        history = split.histories(queries)
        network = self._model.lightning_model.torch_model.eval()
        with torch.no_grad():
            embedded = network.item_model.get_all_embeddings()
            sessions = self._sessions(history.ptr, token[history.item])
            encoded = [
                network.encode_sessions({"x": batch}, embedded)[:, -1].numpy()
                for batch in torch.from_numpy(sessions).split(BATCH)
            ]
        items = np.zeros((self._n_items, embedded.shape[1]), np.float32)
        items[row] = embedded.numpy()[token[row]]
        return Answered(np.concatenate(encoded), items, sessions.any(axis=1), token > 0)

    def _sessions(self, ptr: np.ndarray, token: np.ndarray) -> np.ndarray:
        """The newest known tokens of each history, oldest first, padded with 0 on the left."""
        sessions = np.zeros((len(ptr) - 1, self._length), np.int64)
        for query, (start, stop) in enumerate(pairwise(ptr)):
            known = token[start:stop][token[start:stop] > 0][-self._length :]
            sessions[query, self._length - len(known) :] = known
        return sessions


def _frame(users: np.ndarray, items: np.ndarray, piece_length: int | None) -> pd.DataFrame:
    """RecTools' table of events; pieces of a user overlap by one event, so that all are trained."""
    order = np.argsort(users, kind="stable")
    user, item = users[order].astype(np.int64), items[order].astype(np.int64)
    frame = pd.DataFrame({Columns.User: user, Columns.Item: item, "at": order})
    if piece_length is not None:
        frame = _in_pieces(frame, piece_length)
    frame[Columns.Weight] = 1.0
    # Arrival order stands for the time, so that ties stay in the order of the log.
    frame[Columns.Datetime] = pd.to_datetime(frame.pop("at"), unit="s")
    return frame


def _in_pieces(frame: pd.DataFrame, length: int) -> pd.DataFrame:
    behind = frame.groupby(Columns.User).cumcount(ascending=False).to_numpy()
    step = length - 1
    piece = behind // step
    # The oldest event of a piece is its first input only; it is the target of the piece before.
    joint = (behind % step == 0) & (behind > 0)
    both = pd.concat([frame, frame[joint]])
    number = np.concatenate([piece, piece[joint] - 1])
    most = int(number.max()) + 1
    both[Columns.User] = both[Columns.User] * most + number
    return both


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    run(SASRecPeer())
