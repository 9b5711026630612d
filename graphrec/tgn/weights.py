"""A trained network as plain arrays, and back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Shaped

from graphrec.errors import SnapshotError
from graphrec.tgn.content import NodeContent
from graphrec.tgn.item_features import ItemFeatures
from graphrec.tgn.keeping import device_named
from graphrec.tgn.name_text import SENTENCE_DIM
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import NetworkSettings
from graphrec.tgn.side_events import SideNodes

_FEATURES: Final = "content.features."
_TABLES: Final = ("content.publishers", "content.keywords")


def arrays_of_network(network: TemporalNetwork) -> dict[str, Shaped[np.ndarray, " ..."]]:
    """Every parameter and buffer by name."""
    return {name: value.cpu().numpy() for name, value in network.state_dict().items()}


def network_of_arrays(
    arrays: Mapping[str, Shaped[np.ndarray, " ..."]],
    settings: NetworkSettings,
    n_publishers: int,
    n_keywords: int,
    side: SideNodes | None = None,
) -> TemporalNetwork:
    """The network whose arrays these are, on a CPU and ready to score.

    Args:
        arrays: As `arrays_of_network` gave them.
        settings: The network's settings.
        n_publishers: Publishers it knows.
        n_keywords: Keywords it knows.
        side: What its side events and contexts may be, its `side_nodes`.

    Raises:
        SettingsError: The settings want side events or contexts that `side` lacks.
        SnapshotError: An array is missing, unknown or of the wrong shape.
    """
    if "bias" not in arrays:
        raise SnapshotError("the arrays lack bias — they are no temporal network")
    n_items = len(arrays["bias"])
    content = _shape_of_content(arrays, n_items, n_publishers, n_keywords)
    n_users = len(arrays["user"]) if "user" in arrays else 0
    network = TemporalNetwork(
        settings.model_copy(update={"spread_codes": False}), content, n_users=n_users, side=side
    )
    network.settings = settings
    _fit_buffers(network, arrays)
    state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise SnapshotError(f"the arrays do not fit the network's settings — {reason}") from error
    return network.eval()


def state_of_network(network: TemporalNetwork) -> dict[str, Any]:
    """All that `network_of_state` needs, in arrays and settings; arrays are not copied."""
    content = network.content
    return {
        "arrays": arrays_of_network(network),
        "settings": network.settings,
        "n_names": (content.n_publishers, content.n_keywords) if content else (0, 0),
        "side": network.side_nodes,
        "training": network.training,
        "device": str(network.bias.device),
    }


def network_of_state(kept: Mapping[str, Any]) -> TemporalNetwork:
    """The network that `state_of_network` told of, on its device, or a CPU where there is none.

    Raises:
        SnapshotError: The arrays are not a network of the settings.
    """
    n_publishers, n_keywords = kept["n_names"]
    network = network_of_arrays(
        kept["arrays"], kept["settings"], n_publishers, n_keywords, kept["side"]
    )
    return network.train(kept["training"]).to(device_named(kept["device"]))


def _shape_of_content(
    arrays: Mapping[str, Shaped[np.ndarray, " ..."]],
    n_items: int,
    n_publishers: int,
    n_keywords: int,
) -> NodeContent:
    """Content of which a network gets the same parameters as the one whose arrays these are.

    Raises:
        SnapshotError: An array is missing, or names an item or name that is not there.
    """
    nothing = NodeContent.nothing(n_items)
    features = None
    if _FEATURES + "value" in arrays:
        parts = _parts(arrays, _FEATURES, ("value", "row", "category"))
        n_columns = parts["row"].shape[1]
        n_values = len(parts["category"]) - n_columns
        features = ItemFeatures(
            np.zeros((n_items, parts["value"].shape[1]), np.float32),
            np.full((n_items, n_columns), -1, np.int64),
            (n_values,) + (0,) * (n_columns - 1) if n_columns else (),
        )
    n_names = n_publishers + n_keywords
    if n_names:
        for table, n in zip(_TABLES, (n_publishers, n_keywords), strict=True):
            bags = _parts(arrays, table + ".", ("ptr", "entry"))
            ptr, entry = bags["ptr"], bags["entry"]
            fits = len(ptr) == n_items + 1 and ptr[0] == 0 and ptr[-1] == len(entry)
            if not fits or (np.diff(ptr) < 0).any() or ((entry < 0) | (entry >= n)).any():
                raise SnapshotError(f"the arrays of {table} name items or names that are not there")
    return replace(
        nothing,
        n_publishers=n_publishers,
        n_keywords=n_keywords,
        text=("",) * n_names,
        sentence=np.zeros((n_names, SENTENCE_DIM), np.float32),
        features=features,
    )


def _parts(
    arrays: Mapping[str, Shaped[np.ndarray, " ..."]], prefix: str, names: tuple[str, ...]
) -> dict[str, Shaped[np.ndarray, " ..."]]:
    for name in names:
        if prefix + name not in arrays:
            raise SnapshotError(f"the arrays of the network lack {prefix}{name}")
    return {name: arrays[prefix + name] for name in names}


def _fit_buffers(
    network: TemporalNetwork, arrays: Mapping[str, Shaped[np.ndarray, " ..."]]
) -> None:
    """Make room for content as long as the arrays hold it."""
    for name, buffer in list(network.named_buffers()):
        if name.startswith("content.") and name in arrays:
            module, _, leaf = name.rpartition(".")
            room = torch.empty(arrays[name].shape, dtype=buffer.dtype)
            setattr(network.get_submodule(module), leaf, room)
