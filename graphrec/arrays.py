"""Axis words and array aliases: the vocabulary of every signature that crosses a room.

Axis words: `users`, `items`, `nodes`, `edges`, `events`, `seeds`, `k`, `dim`. One axis is written
with a leading blank (`" items"`). Kernels take plain NumPy arrays; their callers carry the shapes.
"""

from typing import Final

DAY_S: Final = 86_400
NEVER_S: Final = 2**62
"""Stands where a moment never comes: later than any UTC second, and far from overflow."""

NO_ROW: Final = -1
"""Stands where an item or user row is absent: padding, or an anonymous user."""
