"""Everything that decides a slate, in one object."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from graphrec.slate.demotion import DemotionSettings
from graphrec.slate.dpp import DppSettings
from graphrec.slate.exploration import ExplorationSettings
from graphrec.slate.mmr import MmrSettings
from graphrec.slate.quotas import QuotaSettings
from graphrec.slate.relevance import Scaling
from graphrec.slate.rules import RuleSettings
from graphrec.slate.similarity import SimilaritySettings


class ArrangingSettings(BaseModel):
    """How a slate is made of what may be shown. The default shows it as it is ranked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scaling: Scaling = Field("min_max", description="How scores become relevance.")
    demotion: DemotionSettings | None = Field(
        None, description="How items sink that were shown before; null: they do not."
    )
    diversity: Literal["none", "mmr", "dpp"] = Field(
        "none", description="Maximal marginal relevance, a determinantal process, or neither."
    )
    similarity: SimilaritySettings = Field(
        SimilaritySettings(), description="What makes items alike, for diversity."
    )
    mmr: MmrSettings = Field(MmrSettings(), description="With `mmr`.")
    dpp: DppSettings = Field(DppSettings(), description="With `dpp`.")
    exploration: ExplorationSettings = Field(
        ExplorationSettings(), description="What is drawn at each place."
    )
    quotas: tuple[QuotaSettings, ...] = Field(
        (), max_length=20, description="How many of one group may stand near each other."
    )


class SlateSettings(ArrangingSettings):
    """How a slate is made of ranked candidates. The default shows them as they are ranked."""

    rules: RuleSettings = Field(RuleSettings(), description="What may be shown, and pins.")

    def as_diverse(self, diversity: float, places: int) -> "SlateSettings":
        """The same with another weight of unlikeness, by marginal relevance where none was set.

        Args:
            diversity: In [0, 1]: 0 keeps the ranking; a determinantal process takes it from 0.01.
            places: First places that are diversified.
        """
        if diversity == 0:
            return self.model_copy(update={"diversity": "none"})
        return self.model_copy(
            update={
                "diversity": "mmr" if self.diversity == "none" else self.diversity,
                "mmr": MmrSettings(diversity=diversity, places=places),
                "dpp": DppSettings(diversity=max(diversity, 0.01), places=places),
            }
        )
