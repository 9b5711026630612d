"""The temporal networks inside a method: itself, what vectors are searched of, or of a pipeline."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from graphrec.experiment.method_settings import (
    SourceMethod,
    TemporalNetworkMethod,
    VectorsMethod,
)
from graphrec.experiment.staged_settings import PipelineMethod

Chosen = TypeVar("Chosen", bound=SourceMethod | PipelineMethod)


def temporal_parts(method: SourceMethod | PipelineMethod) -> Iterator[TemporalNetworkMethod]:
    """Every temporal network that `method` asks."""
    match method:
        case TemporalNetworkMethod():
            yield method
        case VectorsMethod():
            yield method.tgn
        case PipelineMethod():
            for part in method.sources:
                yield from temporal_parts(part.source)
        case _:
            return


def with_weights_beside(method: Chosen, folder: Path) -> Chosen:
    """The method, with relative paths of weights counted from `folder`."""
    match method:
        case TemporalNetworkMethod(weights=Path() as weights):
            return method.model_copy(update={"weights": folder / weights})
        case VectorsMethod():
            return method.model_copy(update={"tgn": with_weights_beside(method.tgn, folder)})
        case PipelineMethod():
            sources = tuple(
                part.model_copy(update={"source": with_weights_beside(part.source, folder)})
                for part in method.sources
            )
            return method.model_copy(update={"sources": sources})
        case _:
            return method
