"""Layers of a trained network as NumPy computes them, for one query at a time.

A query is some two hundred operations on a few numbers each. Most of what PyTorch takes for one is
spent before it starts computing, and several times what NumPy takes. Weights are not copied: a
layer at rest follows whoever changes them in place.
"""

import math
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32
from scipy.special import erf
from torch import Tensor, nn
from torch.nn import functional

from graphrec.tgn.attention import AttentionLayer

Numbers = Float32[np.ndarray, "*batch dim"]
Told = Float32[np.ndarray, "*batch out"]

_HALF_ROOT: Final = math.sqrt(0.5)
_FEW_WEIGHTS: Final = 8192
_FEW_PRODUCTS: Final = 1 << 17
"""OpenBLAS starts threads above 9,216 entries of a matrix times a vector, or 2^18 products."""


def array_of(tensor: Tensor) -> Float32[np.ndarray, "*shape"]:
    """The numbers of a tensor on a CPU, not copied."""
    array: np.ndarray = tensor.detach().numpy()
    return array


class LinearAtRest:
    """`nn.Linear`; large products are PyTorch's, as NumPy would use threads nobody asked for."""

    def __init__(self, layer: nn.Linear) -> None:
        """Read the weights of `layer`."""
        self._layer = layer
        self._weight = array_of(layer.weight).T
        self._bias = None if layer.bias is None else array_of(layer.bias)
        self._is_small = layer.weight.numel() <= _FEW_WEIGHTS

    def __call__(self, value: Numbers) -> Told:
        """The layer's output for each row."""
        if not (self._is_small and value.size * self._weight.shape[1] <= _FEW_PRODUCTS):
            layer = self._layer
            return array_of(functional.linear(torch.from_numpy(value), layer.weight, layer.bias))
        told: np.ndarray = value @ self._weight
        if self._bias is not None:
            told += self._bias
        return told


class NormAtRest:
    """`nn.LayerNorm` over the last axis."""

    def __init__(self, layer: nn.LayerNorm) -> None:
        """Read the weights of `layer`."""
        self._weight, self._bias = array_of(layer.weight), array_of(layer.bias)
        self._smallest = layer.eps

    def __call__(self, value: Numbers) -> Numbers:
        """The layer's output for each row."""
        told = value - value.mean(axis=-1, keepdims=True)
        square = (told * told).mean(axis=-1, keepdims=True)
        told /= np.sqrt(square + self._smallest)
        return told * self._weight + self._bias


class MixAtRest:
    """Two linear layers with a GELU between them, of an `nn.Sequential` that holds no other two."""

    def __init__(self, layers: nn.Sequential) -> None:
        """Read the weights of `layers`."""
        self._first, self._second = (
            LinearAtRest(layer) for layer in layers if isinstance(layer, nn.Linear)
        )

    def __call__(self, value: Numbers) -> Told:
        """The layers' output for each row."""
        return self._second(gelu(self._first(value)))


class AttentionAtRest:
    """`AttentionLayer` among the places of one query, every one of which sees all."""

    def __init__(self, layer: AttentionLayer, heads: int) -> None:
        """Read the weights of `layer`."""
        self._heads = heads
        self._before = NormAtRest(layer.before)
        self._after = next(NormAtRest(n) for n in layer.network if isinstance(n, nn.LayerNorm))
        self._project, self._join = LinearAtRest(layer.project), LinearAtRest(layer.join)
        self._mix = MixAtRest(layer.network)

    def __call__(
        self, token: Float32[np.ndarray, "places dim"]
    ) -> Float32[np.ndarray, "places dim"]:
        """Let every place look at all."""
        n_places, dim = token.shape
        parts = self._project(self._before(token)).reshape(n_places, 3, self._heads, -1)
        query, key, value = parts.transpose(1, 2, 0, 3)
        logit = query @ key.transpose(0, 2, 1)
        logit *= 1 / math.sqrt(dim // self._heads)
        seen = (softmax(logit) @ value).transpose(1, 0, 2).reshape(n_places, dim)
        token = token + self._join(seen)
        return token + self._mix(self._after(token))


def gelu(value: Numbers) -> Numbers:
    """Each x times the share of a normal distribution below x."""
    below: Numbers = erf(value * _HALF_ROOT)
    below += 1
    below *= value
    below *= 0.5
    return below


def softmax(logit: Numbers) -> Numbers:
    """Shares along the last axis, proportional to e^logit."""
    share: Numbers = np.exp(logit - logit.max(axis=-1, keepdims=True))
    share /= share.sum(axis=-1, keepdims=True)
    return share
