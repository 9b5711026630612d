"""What is said of bundles and snapshots."""

from pydantic import BaseModel, ConfigDict, Field

from graphrec.serving.state_store import NAME_PATTERN


class BundleIn(BaseModel):
    """Which bundle to put to use."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"examples": [{"bundle": "2026-11-25"}]}
    )

    bundle: str = Field(
        pattern=f"^{NAME_PATTERN}$", description="Its name, as `graphrec bundle` wrote it."
    )


class ModelOut(BaseModel):
    """A bundle that was put to use."""

    bundle: str = Field(description="Its name.")
    before: str = Field(description="The one that was in use before.")
    n_asked: int = Field(description="Recorded questions it was tried by; none failed.")
    overlap: float = Field(
        description="Share of the items shown before that it shows as well, in [0, 1]."
    )
    slowest_ms: float = Field(description="Its slowest answer to them, milliseconds.")


class SnapshotOut(BaseModel):
    """A snapshot that was kept."""

    place: str = Field(description="Its folder on the server.")
    seq: int = Field(description="It knows every entry of the log up to this number.")
    held_s: float = Field(description="Seconds for which nothing was learnt meanwhile.")
    took_s: float = Field(description="Seconds until it was on disk.")


class BundlesOut(BaseModel):
    """The bundles there are."""

    in_use: str = Field(description="The one that answers.")
    bundles: list[str] = Field(description="Names of all of them.")
    snapshot_seq: int | None = Field(description="What the newest snapshot of the one knows.")
    failure: str | None = Field(description="Why a bundle or a snapshot failed lately.")
