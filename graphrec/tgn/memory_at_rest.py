"""The weights of a memory as arrays: an event is absorbed without the cost of small tensors.

Measured on one thread, a dozen NumPy calls on one row take as long as three of PyTorch's.
"""

from typing import Final

import numpy as np
from jaxtyping import Float32, Int64

from graphrec.tgn.memory import NodeMemory

_STEEPEST: Final = np.float32(80.0)
"""A gate's logit is cut here, so that its exponential stays finite: e^-80 is as good as shut."""

Sums = Float32[np.ndarray, "rows scales parts"]


class MemoryAtRest:
    """What `NodeMemory` computes for few nodes, with its weights as they stood at one moment."""

    def __init__(self, memory: NodeMemory) -> None:
        """Copy the weights as they stand."""
        weights = [
            part.detach().cpu().numpy().copy()
            for part in (
                memory.of_user.weight,
                memory.gate_of_user.weight,
                memory.of_user.bias,
                memory.gate_of_user.bias,
                memory.user_scale_s,
                memory.item_scale_s,
                memory.fading_per_event,
            )
        ]
        self._weight = np.concatenate(weights[:2]).T
        self._bias = np.concatenate(weights[2:4])
        self._width = memory.of_user.out_features
        self._user_scale_s, self._item_scale_s, self._per_event = weights[4:]

    def user_messages(self, heard: Float32[np.ndarray, "rows memory"]) -> Sums:
        """As `NodeMemory.user_messages`: what an event adds to its item's sums."""
        told = heard @ self._weight + self._bias
        gate = np.maximum(told[:, self._width :], -_STEEPEST)
        opened = (1 / (1 + np.exp(-gate)))[..., None]
        value = told[:, : self._width].reshape(*gate.shape, -1)
        return np.concatenate([opened * value, opened], axis=2)

    def read_user(
        self, total: Sums, age_s: Int64[np.ndarray, " rows"]
    ) -> Float32[np.ndarray, "rows memory"]:
        """What users remember `age_s` seconds after `total`."""
        return _mean(self.fade_user(total, age_s))

    def read_item(
        self, total: Sums, age_s: Int64[np.ndarray, " rows"]
    ) -> Float32[np.ndarray, "rows memory"]:
        """What items remember `age_s` seconds after `total`."""
        return _mean(self.fade_item(total, age_s))

    def of_user(
        self, told: Sums, age_s: Float32[np.ndarray, " rows"]
    ) -> Float32[np.ndarray, " memory"]:
        """What one user remembers of their newest events.

        Args:
            told: What each event added, newest first.
            age_s: How long each is past, seconds.
        """
        weight = self.after_events(np.arange(len(told))) * _decay(age_s, self._user_scale_s)
        return _mean((told * weight).sum(axis=0)[None])[0]

    def fade_user(self, total: Sums, age_s: Int64[np.ndarray, " rows"]) -> Sums:
        """Sums of users `age_s` seconds later."""
        return total * _decay(age_s, self._user_scale_s)

    def fade_item(self, total: Sums, age_s: Int64[np.ndarray, " rows"]) -> Sums:
        """Sums of items `age_s` seconds later."""
        return total * _decay(age_s, self._item_scale_s)

    def after_events(self, n: Int64[np.ndarray, " rows"]) -> Float32[np.ndarray, "rows scales 1"]:
        """What `n` later events leave of what a user remembered."""
        return np.exp(-n[:, None].astype(np.float32) * self._per_event)[..., None]


def _decay(
    age_s: Int64[np.ndarray, " rows"] | Float32[np.ndarray, " rows"],
    scale_s: Float32[np.ndarray, " scales"],
) -> Float32[np.ndarray, "rows scales 1"]:
    return np.exp(-age_s[:, None].astype(np.float32) / scale_s)[..., None]


def _mean(total: Sums) -> Float32[np.ndarray, "rows memory"]:
    """Sums of values over sums of gates and one."""
    n_rows, n_scales, n_parts = total.shape
    return (total[..., :-1] / (total[..., -1:] + 1)).reshape(n_rows, n_scales * (n_parts - 1))
