"""The simulated world: a small video platform, its log, and the truth behind it.

In: `WorldSettings`. Out: `World`, a `Dataset` and its `GroundTruth`. Never: a file read, a
model, or a draw that depends on anything but the settings.
"""

from graphrec.events.world.generate import World, generate_world
from graphrec.events.world.settings import (
    BehaviourSettings,
    ContextSettings,
    PolicySettings,
    WorldSettings,
)
from graphrec.events.world.truth import Expected, GroundTruth, Situation

__all__ = [
    "BehaviourSettings",
    "ContextSettings",
    "Expected",
    "GroundTruth",
    "PolicySettings",
    "Situation",
    "World",
    "WorldSettings",
    "generate_world",
]
