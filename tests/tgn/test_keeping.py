"""Tensors are made of kept arrays again, and what stood in two places is one thing again."""

import copy

import numpy as np
import pytest
import torch

from graphrec.errors import SnapshotError
from graphrec.object_graph import flatten, rebuild
from graphrec.tgn.keeping import device_named
from graphrec.tgn.mirrored import MirroredArray
from graphrec.tgn.source import TemporalNetworkSource
from tests.tgn.logs import CPU, a_log, a_network


def made_again(thing):
    return rebuild(flatten(thing))


def fitted() -> TemporalNetworkSource:
    source = TemporalNetworkSource(trained=a_network(user_identities=True))
    source.fit(a_log(1), 10**9)
    return source


@pytest.mark.parametrize("way", [copy.deepcopy, made_again])
def test_the_tensor_of_a_copied_array_follows_the_copy_and_not_the_original(way):
    first = MirroredArray(np.arange(4), CPU)
    second = way(first)
    second.array[2] = 9
    second.send(np.array([2]))
    assert second.tensor.tolist() == [0, 1, 9, 3] and first.tensor.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("way", [copy.deepcopy, made_again])
def test_a_copied_source_and_its_memories_hold_one_network(way):
    source, back = (one := fitted()), way(one)
    assert back.network is not source.network
    assert back._state._memory._network is back.network


@pytest.mark.parametrize("is_training", [False, True])
def test_a_network_comes_back_with_its_weights_and_mode(is_training):
    network = a_network(memory_dim=16).train(is_training)
    for back in (copy.deepcopy(network), made_again(network)):
        assert back.training == is_training and back.settings == network.settings
        theirs = back.state_dict()
        assert theirs.keys() == network.state_dict().keys()
        assert all(torch.equal(theirs[name], x) for name, x in network.state_dict().items())


def test_what_is_held_fast_in_training_is_held_fast_in_a_copy():
    network = a_network()
    network.log_scale.requires_grad_(requires_grad=False)
    assert not copy.deepcopy(network).log_scale.requires_grad


def test_arrays_of_another_network_are_refused():
    flat = flatten(a_network())
    arrays = {name: array[..., :-1] for name, array in flat.arrays.items() if array.ndim}
    with pytest.raises(SnapshotError):
        rebuild(type(flat)(flat.nodes, {**flat.arrays, **arrays}, flat.tables, flat.code))


@pytest.mark.skipif(torch.cuda.is_available(), reason="has the device that is to be missing")
def test_what_was_kept_on_a_gpu_that_is_not_here_comes_back_on_a_cpu():
    assert device_named("cuda:0") == CPU
    assert device_named("cpu") == CPU
