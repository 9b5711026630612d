"""Decayed sums by doubling."""

import math

import numpy as np
import pytest
import torch

from graphrec.tgn.decayed_sums import decayed_sums


@pytest.mark.parametrize("n_events", [1, 2, 3, 8, 97])
def test_doubling_agrees_with_adding_one_event_after_another(n_events):
    rng = np.random.default_rng(n_events)
    item = np.sort(rng.integers(0, 5, n_events))
    time_s = np.concatenate([np.sort(rng.integers(0, 9000, (item == i).sum())) for i in range(5)])
    scale_s = [60.0, 3600.0]
    value = torch.from_numpy(rng.normal(size=(n_events, 2, 3)))
    expected = [
        [
            sum(
                math.exp(-(time_s[e] - time_s[p]) / scale) * value[p, s].numpy()
                for p in range(e + 1)
                if item[p] == item[e]
            )
            for s, scale in enumerate(scale_s)
        ]
        for e in range(n_events)
    ]
    found = decayed_sums(torch.tensor(item), torch.tensor(time_s), torch.tensor(scale_s), value)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10, atol=1e-12)
