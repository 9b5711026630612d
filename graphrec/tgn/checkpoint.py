"""Training that was broken off, as plain arrays: it goes on as if it had not been."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Shaped

from graphrec.errors import SnapshotError
from graphrec.tgn.training import Epoch, Trainer, Verdict

_NETWORK: Final = "network."
_BEST: Final = "best."
_OPTIMIZER: Final = "optimizer."
_ORDER: Final = "order"
_CPU: Final = "random_cpu"
_CUDA: Final = "random_cuda"


def arrays_of_training(
    trainer: Trainer, verdict: Verdict
) -> tuple[dict[str, Shaped[np.ndarray, " ..."]], dict[str, Any]]:
    """Everything the next epoch depends on.

    Returns:
        Arrays by name, and the rest as JSON values.
    """
    arrays = {_NETWORK + name: _array(x) for name, x in trainer.network.state_dict().items()}
    arrays |= {_BEST + name: _array(x) for name, x in (verdict.best_state or {}).items()}
    for row, state in trainer.optimizer.state_dict()["state"].items():
        arrays |= {f"{_OPTIMIZER}{row}.{name}": _array(x) for name, x in state.items()}
    arrays[_ORDER] = trainer.order.get_state().numpy()
    arrays[_CPU] = torch.get_rng_state().numpy()
    if trainer.is_cuda:
        arrays[_CUDA] = torch.cuda.get_rng_state(trainer.device).numpy()
    rest = {
        "epochs": [asdict(epoch) for epoch in verdict.epochs],
        "best": verdict.best if verdict.best_state else None,
        "since_best": verdict.since_best,
    }
    return arrays, rest


def resume_training(
    trainer: Trainer, arrays: Mapping[str, Shaped[np.ndarray, " ..."]], rest: Mapping[str, Any]
) -> Verdict:
    """Put a fresh trainer where another one stood.

    Args:
        trainer: Made with the same log and settings.
        arrays: As `arrays_of_training` gave them.
        rest: Likewise.

    Raises:
        SnapshotError: An array is missing or does not fit.
    """
    try:
        trainer.network.load_state_dict(_tensors(arrays, _NETWORK))
        states: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in _tensors(arrays, _OPTIMIZER).items():
            row, _, part = name.partition(".")
            states.setdefault(int(row), {})[part] = value
        trainer.set_optimizer_state(states)
        trainer.order.set_state(torch.from_numpy(arrays[_ORDER].copy()))
        torch.set_rng_state(torch.from_numpy(arrays[_CPU].copy()))
        if trainer.is_cuda:
            torch.cuda.set_rng_state(torch.from_numpy(arrays[_CUDA].copy()), trainer.device)
        epochs = [Epoch(**epoch) for epoch in rest["epochs"]]
        since_best = int(rest["since_best"])
        best = rest["best"]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise SnapshotError(f"the checkpoint does not fit this training — {reason}") from error
    trainer.epoch = len(epochs)
    verdict = Verdict(epochs, since_best=since_best)
    if best is not None:
        verdict.best = float(best)
        verdict.best_state = {
            name: value.to(trainer.device) for name, value in _tensors(arrays, _BEST).items()
        }
    return verdict


def _array(tensor: torch.Tensor) -> Shaped[np.ndarray, " ..."]:
    return np.asarray(tensor.detach().cpu().numpy())


def _tensors(
    arrays: Mapping[str, Shaped[np.ndarray, " ..."]], prefix: str
) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): torch.from_numpy(np.array(array))
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
