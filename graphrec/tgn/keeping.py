"""What holds tensors is copied and written down by its arrays and settings alone.

A tensor that shares its memory with an array would share it no longer in a copy, and nobody but
this room can make a tensor: so tensors are made of the arrays again, and a device goes by its name.
"""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn


class Kept:
    """Something that is copied without what it can make again of the rest.

    Attributes:
        made_again: Names of its attributes that `_make_again` sets.
    """

    made_again: ClassVar[frozenset[str]] = frozenset()

    def __getstate__(self) -> dict[str, Any]:
        """All but what is made again; a device by its name."""
        return {
            name: str(value) if isinstance(value, torch.device) else value
            for name, value in vars(self).items()
            if name not in self.made_again
        }

    def __setstate__(self, kept: Mapping[str, Any]) -> None:
        """Take what was kept, and make the rest."""
        vars(self).update(kept)
        if "_device" in kept:
            self._device = device_named(kept["_device"])
        self._make_again()

    def _make_again(self) -> None:
        """Set `made_again`; parts are whole by now."""


class KeptNetwork(nn.Module):
    """A network that is written down as its weights and settings, and copied like any module."""

    def __getstate__(self) -> dict[str, Any]:
        """Settings and arrays."""
        # A network is made of arrays by a module that has to know what networks are.
        from graphrec.tgn.weights import state_of_network

        return state_of_network(self)  # type: ignore[arg-type]  # no other class inherits

    def __setstate__(self, kept: Mapping[str, Any]) -> None:
        """Become the network that was kept."""
        from graphrec.tgn.weights import network_of_state

        vars(self).update(vars(network_of_state(kept)))

    def __deepcopy__(self, memo: dict[int, Any]) -> "KeptNetwork":
        """As any module is copied: with what arrays would not tell, such as what is held fast."""
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        vars(twin).update(copy.deepcopy(vars(self), memo))
        return twin


def device_named(name: str) -> torch.device:
    """The device called so, or a CPU where there is none such."""
    device = torch.device(name)
    return device if device.type != "cuda" or torch.cuda.is_available() else torch.device("cpu")
