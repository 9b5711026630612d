"""Arrays that events change row by row with NumPy, and that the network reads as tensors.

On a CPU both are one memory, so that a change costs nothing more. Elsewhere the rows are sent.
"""

from typing import Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from graphrec.tgn.keeping import Kept

Number = TypeVar("Number", bound=np.generic)


class MirroredArray(Kept, Generic[Number]):
    """An array on the CPU with the same numbers as a tensor on a device.

    Attributes:
        array: To be changed; `send` has to follow.
        tensor: To be read.
    """

    made_again = frozenset({"tensor"})

    def __init__(self, array: np.ndarray[tuple[int, ...], np.dtype[Number]], device: torch.device):
        """Mirror `array`, which is kept."""
        self._device = device
        self._take(array)

    def __len__(self) -> int:
        return len(self.array)

    def send(self, rows: Int64[np.ndarray, " rows"]) -> None:
        """Let the tensor follow what was changed in `rows` of the array."""
        if self._device.type != "cpu":
            at = torch.from_numpy(rows).to(self._device)
            self.tensor[at] = torch.from_numpy(self.array[rows]).to(self._device)

    def grow(self, n_more: int, fill: int = 0) -> None:
        """Let `n_more` rows follow that hold `fill`."""
        more = np.full((n_more, *self.array.shape[1:]), fill, self.array.dtype)
        self._take(np.concatenate([self.array, more]))

    def _make_again(self) -> None:
        self._take(self.array)

    def _take(self, array: np.ndarray[tuple[int, ...], np.dtype[Number]]) -> None:
        self.array = array
        self.tensor: Tensor = torch.from_numpy(array).to(self._device)
