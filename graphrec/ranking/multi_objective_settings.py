"""Settings of the ranker of several objectives; reading them needs no torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

HeadKind = Literal["logistic", "regression"]


class Objective(BaseModel):
    """One thing to estimate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="Column of outcomes.")
    kind: HeadKind = Field(
        "logistic",
        description="A probability (outcomes in [0, 1]), or an amount such as a share watched.",
    )
    loss_weight: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="Weight of its loss beside the others'."
    )


class MultiObjectiveSettings(BaseModel):
    """How one network learns several objectives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    objectives: tuple[Objective, ...] = Field(
        (
            Objective(name="engagement"),
            Objective(name="satisfaction"),
            Objective(name="responsibility"),
        ),
        min_length=1,
        description="What to estimate, each with a head of its own.",
    )
    hidden: tuple[int, ...] = Field(
        (64, 32), min_length=1, max_length=8, description="Widths of the shared layers."
    )
    head_width: int = Field(16, ge=1, le=1024, description="Width of each head's own layer.")
    experts: int = Field(
        1, ge=1, le=64, description="Trunks that each head mixes by a gate; 1 shares one trunk."
    )
    categorical: tuple[str, ...] = Field((), description="Features that are categories.")
    category_dim: int = Field(8, ge=1, le=256, description="Dimensions of a category's vector.")
    position_bias: bool = Field(
        False, description="Learn an additive bias of each position, left out when serving."
    )
    max_position: int = Field(
        50, ge=1, le=10_000, description="Positions from here on share one bias."
    )
    position_dropout: float = Field(
        0.1, ge=0, lt=1, description="Share of rows whose position is hidden in training."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of the trunk's outputs hidden.")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's step.")
    weight_decay: float = Field(
        1e-4, ge=0, allow_inf_nan=False, description="Pull of weights towards 0, decoupled."
    )
    batch_rows: int = Field(1024, ge=1, description="Rows of a step.")
    max_epochs: int = Field(50, ge=1, le=10_000, description="Passes over the rows at most.")
    patience: int = Field(
        5, ge=1, description="Epochs without a better validation loss before stopping."
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="Equal seeds give equal networks.")

    @model_validator(mode="after")
    def _names_differ(self) -> "MultiObjectiveSettings":
        names = [objective.name for objective in self.objectives]
        if len(set(names)) < len(names):
            raise ValueError(f"objectives {', '.join(names)} — each name once")
        if min(self.hidden) < 1:
            raise ValueError(f"hidden widths {self.hidden} — each at least 1")
        return self
