"""Trains one network for several objectives; what comes out is served without torch."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from graphrec.errors import DataError
from graphrec.ranking.feature_encoding import FeatureEncoding
from graphrec.ranking.multi_objective_model import MultiObjectiveModel
from graphrec.ranking.multi_objective_settings import MultiObjectiveSettings
from graphrec.ranking.objectives import ObjectiveWeights
from graphrec.ranking.training_set import RankingSet

_POSITION = "position.bias"


def train_multi_objective(
    train: RankingSet,
    validation: RankingSet | None,
    settings: MultiObjectiveSettings,
    weights: ObjectiveWeights,
) -> MultiObjectiveModel:
    """Learn to estimate several outcomes of a candidate at once.

    An outcome that is not known adds nothing to its objective's loss; a row with none, or of weight
    0, is left out.

    Args:
        train: Lists to learn from; lists do not matter here, only their candidates do.
        validation: Later lists: training stops where their loss gets no better, and the best epoch
            is kept. None trains `max_epochs`.
        settings: Objectives, network, training.
        weights: What each estimate is worth in the model's `score`.

    Returns:
        The same model for the same data and settings on the same number of threads.

    Raises:
        DataError: There is no such feature or outcome, an objective has no known outcome, or a
            probability is outside [0, 1].

    Source:
        Ma et al. 2018, doi:10.1145/3219819.3220007 (experts and gates); Zhao et al. 2019,
        doi:10.1145/3298689.3346997 (position in a shallow tower of its own, hidden at times, left
        out when serving), here a free bias of each position and objective.
    """
    rows = _known_rows(train, settings)
    encoding = FeatureEncoding.of_training(rows.features, train.feature_names, settings.categorical)
    center, spread = _scales(rows.outcome, settings)
    seen = _tensors(rows, encoding, center, spread)
    held = None
    if validation is not None:
        if validation.feature_names != train.feature_names:
            raise DataError(
                "the validation's features are not the training's — the same names and order"
            )
        held = _tensors(_known_rows(validation, settings), encoding, center, spread)
    network = Network(settings, encoding, seed=settings.seed)
    best = _fit(network, seen, held)
    arrays = {name: value.numpy().copy() for name, value in best.items()}
    return MultiObjectiveModel(settings, encoding, arrays, weights, {}, center, spread)


@dataclass(frozen=True, slots=True)
class _Rows:
    features: Float32[np.ndarray, "pairs features"]
    outcome: Float32[np.ndarray, "pairs heads"]
    position: Int64[np.ndarray, " pairs"]
    weight: Float32[np.ndarray, " pairs"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as the network reads them.

    Attributes:
        numbers: As `FeatureEncoding.numbers` gives them.
        codes: As `FeatureEncoding.codes` gives them.
        position: 0-based place; -1 where unknown.
        outcome: What each head is to say; NaN where unknown.
        weight: How much each row counts.
    """

    numbers: Float[Tensor, "pairs inputs"]
    codes: Int64[Tensor, "pairs categoricals"]
    position: Int64[Tensor, " pairs"]
    outcome: Float[Tensor, "pairs heads"]
    weight: Float[Tensor, " pairs"]

    def __len__(self) -> int:
        return len(self.weight)

    def take(self, row: Int64[Tensor, " some"] | slice) -> "Batch":
        """The given rows."""
        return Batch(
            self.numbers[row],
            self.codes[row],
            self.position[row],
            self.outcome[row],
            self.weight[row],
        )


class Network:
    """Trunks, gates and heads as tensors, named as `MultiObjectiveModel.arrays` names them."""

    def __init__(
        self, settings: MultiObjectiveSettings, encoding: FeatureEncoding, *, seed: int
    ) -> None:
        self.settings = settings
        self.generator = torch.Generator().manual_seed(seed)
        self.parameters: dict[str, Tensor] = {}
        heads, experts = len(settings.objectives), settings.experts
        width = 2 * int(encoding.is_number.sum())
        for place, n_codes in enumerate(encoding.n_codes):
            vectors = 0.1 * torch.randn(n_codes, settings.category_dim, generator=self.generator)
            # What is unknown stays at the middle until some unknown ones were seen.
            vectors[0] = 0.0
            self.parameters[f"category.{place}"] = vectors
            width += settings.category_dim
        n_inputs = width
        for layer, n_out in enumerate(settings.hidden):
            self._add_layer("trunk", f".{layer}", (experts, width, n_out))
            width = n_out
        if experts > 1:
            self._add_layer("gate", "", (heads, n_inputs, experts))
        self._add_layer("head", "", (heads, width, settings.head_width))
        self._add_layer("out", "", (heads, settings.head_width))
        if settings.position_bias:
            self.parameters[_POSITION] = torch.zeros(settings.max_position + 1, heads)
        for parameter in self.parameters.values():
            parameter.requires_grad_()

    def _add_layer(self, name: str, suffix: str, shape: tuple[int, ...]) -> None:
        n_in = shape[1]
        drawn = torch.rand(shape, generator=self.generator) * 2.0 - 1.0
        self.parameters[f"{name}.weight{suffix}"] = drawn * (6.0 / n_in) ** 0.5 * 0.7
        self.parameters[f"{name}.bias{suffix}"] = torch.zeros(shape[0], *shape[2:])

    def outputs(self, batch: Batch, *, learning: bool = False) -> Float[Tensor, "pairs heads"]:
        """Log odds, or standardised amounts, without the positions' bias."""
        own = self.parameters
        vectors = [own[f"category.{at}"][batch.codes[:, at]] for at in range(batch.codes.shape[1])]
        inputs = torch.cat([batch.numbers, *vectors], dim=1)
        x = inputs[None]
        for layer in range(len(self.settings.hidden)):
            x = torch.relu(x @ own[f"trunk.weight.{layer}"] + own[f"trunk.bias.{layer}"][:, None])
        if learning and self.settings.dropout:
            drawn = torch.rand(x.shape, generator=self.generator)
            x = x * (drawn >= self.settings.dropout) / (1.0 - self.settings.dropout)
        if self.settings.experts > 1:
            gate = torch.softmax(inputs[None] @ own["gate.weight"] + own["gate.bias"][:, None], -1)
            x = torch.einsum("hpe,epo->hpo", gate, x)
        x = torch.relu(x @ own["head.weight"] + own["head.bias"][:, None])
        said = (x * own["out.weight"][:, None]).sum(dim=-1) + own["out.bias"][:, None]
        return said.T

    def loss(self, batch: Batch, *, learning: bool = False) -> Float[Tensor, ""]:
        """Weighted sum of each objective's mean loss over the rows where it is known."""
        said = self.outputs(batch, learning=learning)
        if self.settings.position_bias:
            said = said + self._position_bias(batch.position, learning=learning)
        known = ~torch.isnan(batch.outcome)
        wanted = torch.where(known, batch.outcome, 0.0)
        weight = known * batch.weight[:, None]
        total = said.new_zeros(())
        for head, objective in enumerate(self.settings.objectives):
            if objective.kind == "logistic":
                each = binary_cross_entropy_with_logits(
                    said[:, head], wanted[:, head], reduction="none"
                )
            else:
                each = 0.5 * (said[:, head] - wanted[:, head]) ** 2
            share = weight[:, head].sum().clamp_min(1e-12)
            total = total + objective.loss_weight * (each * weight[:, head]).sum() / share
        return total

    def _position_bias(
        self, position: Int64[Tensor, " pairs"], *, learning: bool
    ) -> Float[Tensor, "pairs heads"]:
        is_shown = position >= 0
        if learning and self.settings.position_dropout:
            drawn = torch.rand(len(position), generator=self.generator)
            is_shown = is_shown & (drawn >= self.settings.position_dropout)
        place = position.clamp(0, self.settings.max_position)
        return self.parameters[_POSITION][place] * is_shown[:, None]


def _fit(network: Network, seen: Batch, held: Batch | None) -> dict[str, Tensor]:
    settings = network.settings
    optimizer = torch.optim.AdamW(
        list(network.parameters.values()),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    best, best_loss, since_best = _copied(network), float("inf"), 0
    for _ in range(settings.max_epochs):
        order = torch.randperm(len(seen), generator=network.generator)
        for rows in order.split(settings.batch_rows):
            optimizer.zero_grad()
            network.loss(seen.take(rows), learning=True).backward()
            optimizer.step()
        if held is None:
            continue
        with torch.no_grad():
            loss = float(network.loss(held))
        since_best += 1
        if loss < best_loss:
            best, best_loss, since_best = _copied(network), loss, 0
        if since_best >= settings.patience:
            break
    return best if held is not None else _copied(network)


def _copied(network: Network) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.parameters.items()}


def _known_rows(lists: RankingSet, settings: MultiObjectiveSettings) -> _Rows:
    outcome = np.stack([lists.column(one.name) for one in settings.objectives], axis=1)
    for head, objective in enumerate(settings.objectives):
        known = outcome[~np.isnan(outcome[:, head]) & (lists.weight > 0), head]
        if not len(known):
            raise DataError(f"no outcome of {objective.name} is known — leave the objective out")
        if objective.kind == "logistic" and (known.min() < 0 or known.max() > 1):
            raise DataError(
                f"{objective.name} lies in [{known.min()}, {known.max()}] — a logistic head wants "
                "outcomes in [0, 1]; others are for regression"
            )
    row = np.flatnonzero((lists.weight > 0) & ~np.isnan(outcome).all(axis=1))
    return _Rows(
        lists.features[row],
        outcome[row],
        lists.position[row].astype(np.int64),
        lists.weight[row],
    )


def _scales(
    outcome: Float32[np.ndarray, "pairs heads"], settings: MultiObjectiveSettings
) -> tuple[Float32[np.ndarray, " heads"], Float32[np.ndarray, " heads"]]:
    is_amount = np.array([one.kind == "regression" for one in settings.objectives])
    spread = np.nanstd(outcome, axis=0)
    return (
        np.where(is_amount, np.nanmean(outcome, axis=0), 0.0).astype(np.float32),
        np.where(is_amount & (spread > 0), spread, 1.0).astype(np.float32),
    )


def _tensors(
    rows: _Rows,
    encoding: FeatureEncoding,
    center: Float32[np.ndarray, " heads"],
    spread: Float32[np.ndarray, " heads"],
) -> Batch:
    return Batch(
        torch.from_numpy(encoding.numbers(rows.features)),
        torch.from_numpy(encoding.codes(rows.features)),
        torch.from_numpy(rows.position),
        torch.from_numpy((rows.outcome - center) / spread),
        torch.from_numpy(rows.weight),
    )
