"""The simulated world: a small video platform, its log, and the truth behind it.

In: `WorldSettings`. Out: `World`, a `Dataset` and its `GroundTruth`; or, from `open_world` and
`live_loop`, what comes of a `Policy` that fills the pages. Never: a file read, a model, or a draw
that depends on anything but the settings and the pages shown.
"""

from graphrec.events.world.closed_loop import (
    Lived,
    LoopSettings,
    Opening,
    live_loop,
    open_world,
)
from graphrec.events.world.generate import World, generate_world
from graphrec.events.world.mixture import MixturePolicy
from graphrec.events.world.policy import PageRequests, Pages, Policy, ShownPages
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
    "Lived",
    "LoopSettings",
    "MixturePolicy",
    "Opening",
    "PageRequests",
    "Pages",
    "Policy",
    "PolicySettings",
    "ShownPages",
    "Situation",
    "World",
    "WorldSettings",
    "generate_world",
    "live_loop",
    "open_world",
]
