"""Simpler models that the temporal network becomes by its settings alone."""

from typing import Final

from graphrec.tgn.settings import NetworkSettings

_NOTHING: Final = {
    "identity_path": False,
    "repeats": False,
    "tokens": 1,
    "readout_layers": 0,
    "state_layers": 0,
    "memory_dim": 0,
    "popularity_scales_hours": (),
    "side_events": 0,
    "context_hours": 0.0,
    "neighbours": None,
    "learn_identities": True,
}

VARIANTS: Final[dict[str, dict[str, object]]] = {
    "full": {},
    "matrix_factorisation": _NOTHING | {"taste": False, "user_identities": True},
    "two_tower": {name: value for name, value in _NOTHING.items() if name != "tokens"},
    "attention_only": {
        "memory_dim": 0,
        "popularity_scales_hours": (),
        "state_layers": 1,
        "side_events": 0,
        "context_hours": 0.0,
        "neighbours": None,
        "learn_identities": True,
    },
    "memory_only": _NOTHING | {"memory_dim": 32},
    "neighbours_only": _NOTHING | {"taste": False, "tokens": 8, "neighbours": {}},
    "popularity_only": _NOTHING | {"taste": False, "popularity_scales_hours": (1.0, 24.0, 168.0)},
    "no_identity_path": {"identity_path": False},
    "no_repeats": {"repeats": False},
    "no_memory": {"memory_dim": 0},
    "no_popularity": {"popularity_scales_hours": ()},
    "no_side_events": {"side_events": 0, "context_hours": 0.0},
    "no_neighbours": {"neighbours": None},
}
"""What differs from a network's settings, by name. `matrix_factorisation` knows identities alone,
`two_tower` a mean of the history, `attention_only` events by their order and age, `memory_only`
(Rossi et al. 2020, arXiv:2006.10637) what nodes remember, `neighbours_only` what stood beside past
items; the others leave one part out."""


def variant(name: str, settings: NetworkSettings) -> NetworkSettings:
    """`settings` with what makes it the variant of that name."""
    changes = dict(VARIANTS[name])
    if settings.neighbours is not None and changes.get("neighbours") is not None:
        del changes["neighbours"]
    return NetworkSettings.model_validate(settings.model_dump() | changes)
