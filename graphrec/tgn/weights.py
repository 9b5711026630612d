"""A trained network as plain arrays, and back."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Shaped

from graphrec.errors import SnapshotError
from graphrec.tgn.content import NodeContent
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import NetworkSettings

_CONTENT = ("content.ptr", "content.entry")


def arrays_of_network(network: TemporalNetwork) -> dict[str, Shaped[np.ndarray, " ..."]]:
    """Every parameter and buffer by name."""
    return {name: value.cpu().numpy() for name, value in network.state_dict().items()}


def network_of_arrays(
    arrays: Mapping[str, Shaped[np.ndarray, " ..."]],
    settings: NetworkSettings,
    n_publishers: int,
    n_keywords: int,
) -> TemporalNetwork:
    """The network whose arrays these are, on a CPU and ready to score.

    Args:
        arrays: As `arrays_of_network` gave them.
        settings: The network's settings.
        n_publishers: Publishers it knows.
        n_keywords: Keywords it knows.

    Raises:
        SnapshotError: An array is missing, unknown or of the wrong shape.
    """
    if "bias" not in arrays:
        raise SnapshotError("the arrays lack bias — they are no temporal network")
    n_items = len(arrays["bias"])
    content = NodeContent.nothing(n_items)
    if n_publishers + n_keywords:
        missing = [name for name in _CONTENT if name not in arrays]
        if missing:
            raise SnapshotError(f"the arrays of the network lack {missing[0]}")
        ptr, name = (arrays[part] for part in _CONTENT)
        content = NodeContent(n_items, n_publishers, n_keywords, ptr, name)
    network = TemporalNetwork(settings.model_copy(update={"spread_codes": False}), content)
    network.settings = settings
    state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise SnapshotError(f"the arrays do not fit the network's settings — {reason}") from error
    return network.eval()
