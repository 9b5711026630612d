"""Sums over an item's past events that decay with time, for every event of a log at once."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def decayed_sums(
    item: Int[Tensor, " events"], time_s: Int[Tensor, " events"], scale_s: Float[Tensor, " scales"]
) -> Float[Tensor, "events scales"]:
    """Sum of e^(-age / scale) over the events of the same item up to each event, itself included.

    A scan by doubling: after step j, an event holds the sum over its nearest 2^j predecessors.

    Args:
        item: Item of each event, equal ones side by side, in order of time.
        time_s: UTC seconds.
        scale_s: Times in which an event decays to 1/e, seconds.

    Returns:
        One sum per scale, at least 1, float64.

    Source:
        Hillis and Steele 1986, doi:10.1145/7902.7903.
    """
    n = len(item)
    total = torch.ones(n, len(scale_s), dtype=torch.float64, device=item.device)
    if n < 2:
        return total
    age = torch.zeros(n, dtype=torch.float64, device=item.device)
    age[1:] = torch.where(item[1:] == item[:-1], (time_s[1:] - time_s[:-1]).double(), torch.inf)
    age[0] = torch.inf
    reach = 1
    while reach < n:
        # Age 0 and weight 1 are what stands before an item's first event: it adds nothing.
        carried = torch.exp(-age[reach:, None] / scale_s.double()) * total[:-reach]
        longer = age[reach:] + age[:-reach]
        total = torch.cat([total[:reach], total[reach:] + carried])
        age = torch.cat([age[:reach], longer])
        reach *= 2
    return total
