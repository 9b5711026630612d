"""Write the golden hash of a world: `python tests/events/golden/write_world.py`."""

import hashlib
from pathlib import Path

from graphrec.events.world import WorldSettings, generate_world

log = generate_world(WorldSettings(n_events=1_000)).dataset.log
columns = (log.time_s, log.edge_type, log.source_row, log.target_row)
digest = hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()
(Path(__file__).parent / "world_1k.sha256").write_text(digest + "\n")
