"""LightGCN of PyTorch Geometric: `python -m experiments.peers.lightgcn SPLIT ANSWERS`.

Trained with the package's BPR loss on the graph of the fitted events. A fitted user is answered
with the propagated vector (`user: fitted`) or, like a user not fitted, with the mean of the
propagated vectors of the items in the history known then (`user: history`).
"""

from itertools import product

import numpy as np
import torch
from torch_geometric.nn.models import LightGCN

from experiments.peers.answering import Answered, Settings, history_means, run
from experiments.peers.split_files import Split

BATCH = 8192
READOUT = ("user", "newest", "epochs")


class LightGCNPeer:
    """Users and items as nodes, an edge for each pair that was seen; every event is a positive."""

    name = "LightGCN (PyG)"
    packages = ("torch", "torch_geometric", "scipy")
    # The second part goes on where the first had its best at an end.
    grid = tuple(
        {"dim": 64, "layers": layers, "learning_rate": rate, "weight_decay": 1e-4, "epochs": epochs}
        | {"user": user, "newest": newest}
        for layers, rate, epochs, (user, newest) in (
            *product(
                (1, 3),
                (0.01,),
                (20, 60),
                (("fitted", None), ("history", None), ("history", 20), ("history", 5)),
            ),
            *product((1,), (0.03,), (60,), (("history", 5), ("history", 2))),
        )
    )

    def __init__(self) -> None:
        self._fitted: object = None

    def fit(
        self, users: np.ndarray, items: np.ndarray, n_items: int, settings: Settings, seed: int
    ) -> None:
        """Train to the number of epochs asked for, on from where the same settings have got to."""
        self._readout = settings
        shared = {name: value for name, value in settings.items() if name not in READOUT}
        if self._fitted != (shared, seed, len(items)) or self._epochs > settings["epochs"]:
            self._start(users, items, n_items, settings, seed)
            self._fitted = (shared, seed, len(items))
        while self._epochs < settings["epochs"]:
            self._train_epoch()
            self._epochs += 1

    def vectors(self, split: Split, queries: np.ndarray) -> Answered:
        """The propagated vector of each query's user, or the mean of the history."""
        with torch.no_grad():
            nodes = self._model.get_embedding(self._edges).numpy()
        items = nodes[self._n_users :]
        history = split.histories(queries).newest(self._readout["newest"])
        users = history_means(history, items, self._known)
        has_vector = np.abs(users).any(axis=1)
        if self._readout["user"] == "fitted":
            row = split.user_row[split.n_training + queries]
            fitted = row < self._n_users
            fitted[fitted] = self._n_events[row[fitted]] > 0
            users[fitted] = nodes[row[fitted]]
            has_vector |= fitted
        return Answered(users, items, has_vector, self._known)

    def _start(
        self, users: np.ndarray, items: np.ndarray, n_items: int, settings: Settings, seed: int
    ) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self._n_users, self._epochs = int(users.max()) + 1, 0
        self._n_events = np.bincount(users, minlength=self._n_users)
        self._known = np.bincount(items, minlength=n_items) > 0
        self._known_items = torch.from_numpy(np.flatnonzero(self._known)) + self._n_users
        self._user = torch.from_numpy(users.astype(np.int64))
        self._item = torch.from_numpy(items.astype(np.int64)) + self._n_users
        pairs = torch.unique(torch.stack([self._user, self._item]), dim=1)
        self._edges = torch.cat([pairs, pairs.flip(0)], dim=1)
        n_nodes = self._n_users + n_items
        self._model = LightGCN(n_nodes, settings["dim"], settings["layers"])
        self._decay = settings["weight_decay"]
        self._optimizer = torch.optim.Adam(self._model.parameters(), lr=settings["learning_rate"])

    def _train_epoch(self) -> None:
        for batch in torch.randperm(len(self._user)).split(BATCH):
            user, positive = self._user[batch], self._item[batch]
            drawn = torch.randint(len(self._known_items), (len(batch),))
            negative = self._known_items[drawn]
            labels = torch.cat(
                [torch.stack([user, positive]), torch.stack([user, negative])], dim=1
            )
            ahead, behind = self._model(self._edges, labels).chunk(2)
            nodes = torch.cat([user, positive, negative])
            loss = self._model.recommendation_loss(ahead, behind, nodes, lambda_reg=self._decay)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()


if __name__ == "__main__":
    run(LightGCNPeer())
