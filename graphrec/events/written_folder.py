"""The mark of a folder that graphrec wrote: format version and edge types."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graphrec.errors import DataError
from graphrec.events.log import EdgeType, NodeType, Role

FORMAT: Final = 1


class _WrittenType(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="As it stands in the column event_type")
    source: NodeType = Field(description="Node type the edge starts from")
    target: NodeType = Field(description="Node type it leads to")
    role: Role = Field(description="What the edge says")
    weight: float = Field(gt=0, description="Strength of one such event, unitless")


class _Mark(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = Field(description="Version of the folder's layout")
    edge_types: tuple[_WrittenType, ...] = Field(description="The log's edge types, in order")


def mark_text(edge_types: Sequence[EdgeType]) -> str:
    """The text of `dataset.json` for a log of these edge types."""
    types = [asdict(edge_type) for edge_type in edge_types]
    return json.dumps({"format": FORMAT, "edge_types": types}, indent=2) + "\n"


def read_mark(path: Path) -> tuple[EdgeType, ...]:
    """The edge types that `dataset.json` declares.

    Raises:
        DataError: The file is damaged or of another format version.
    """
    try:
        mark = _Mark.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read — {(error.strerror or '').lower()}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"{path}: {place or 'the file'}: {first['msg']} — graphrec writes this file (format "
            f"{FORMAT}); delete it to have event types told from their names"
        ) from error
    return tuple(EdgeType(t.name, t.source, t.target, t.role, t.weight) for t in mark.edge_types)
