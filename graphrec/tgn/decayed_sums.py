"""Sums over a node's past events that decay with time, for every event of a log at once."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def decayed_sums(
    node: Int[Tensor, " events"],
    time_s: Int[Tensor, " events"],
    scale_s: Float[Tensor, " scales"],
    value: Float[Tensor, "events scales width"],
    per_event: Float[Tensor, " scales"] | None = None,
) -> Float[Tensor, "events scales width"]:
    """Sum of e^(-age / scale) value over the events of the same node up to each, itself included.

    A scan by doubling: after step j, an event holds the sum over its nearest 2^j predecessors. Time
    and memory grow with the log and with the log of the busiest node's events.

    Args:
        node: Node of each event, equal ones side by side, in order of time.
        time_s: UTC seconds.
        scale_s: Times in which an event decays to 1/e, seconds.
        value: What each event adds.
        per_event: Exponents by which each later event of the node lets sums fade besides.

    Source:
        Hillis and Steele 1986, doi:10.1145/7902.7903.
    """
    n = len(node)
    total = value.clone()
    if n < 2:
        return total
    age = torch.zeros(n, dtype=torch.float64, device=node.device)
    age[1:] = torch.where(node[1:] == node[:-1], (time_s[1:] - time_s[:-1]).double(), torch.inf)
    age[0] = torch.inf
    longest = int(torch.unique_consecutive(node, return_counts=True)[1].max())
    reach = 1
    while reach < longest:
        decay = torch.exp(-age[reach:, None] / scale_s.double()).to(value.dtype)
        if per_event is not None:
            decay = decay * torch.exp(-reach * per_event)
        carried = decay[..., None] * total[:-reach]
        total[reach:] += carried
        age = torch.cat([age[:reach], age[reach:] + age[:-reach]])
        reach *= 2
    return total
