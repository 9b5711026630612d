"""Simulated worlds as data sets on disk."""

from pathlib import Path

import polars as pl

from graphrec.events.world import WorldSettings, generate_world
from graphrec.events.writers import write_dataset
from graphrec.experiment.reading import read_yaml, settings_of


def world_settings(
    path: Path | None = None, *, events: int | None = None, seed: int | None = None
) -> WorldSettings:
    """Settings of a world: those of a file or the defaults, with what a command line changes.

    Raises:
        SettingsError: The file cannot be read or a setting is wrong.
    """
    values = {} if path is None else read_yaml(path)
    changed = {"n_events": events, "seed": seed}
    values |= {name: value for name, value in changed.items() if value is not None}
    return settings_of(WorldSettings, values, "world" if path is None else str(path))


def simulate_world(settings: WorldSettings, folder: Path) -> dict[str, int]:
    """Simulate a world and write its log and tables.

    Args:
        settings: The world.
        folder: Must not exist or be empty.

    Returns:
        What was written, by name.

    Raises:
        DataError: The folder holds files, or cannot be written.
    """
    world = generate_world(settings)
    write_dataset(world.dataset, folder)
    shown = world.dataset.impressions
    return {
        "events": len(world.dataset.log),
        "users": world.dataset.n_users,
        "items": world.dataset.n_items,
        "shown lists": 0 if shown is None else shown.select(pl.len()).item(),
    }


def demo_folder(n_events: int | None) -> Path:
    """Where the demo world lies, from the folder the command runs in."""
    name = "demo-world" if n_events is None else f"demo-world-{n_events}"
    return Path("data") / name


def prepare_world(folder: Path, n_events: int | None) -> bool:
    """Simulate the demo world into `folder`, unless it is there from an earlier run.

    Returns:
        Whether it had to be simulated.

    Raises:
        DataError: The folder holds something else, or cannot be written.
    """
    if (folder / "events.parquet").is_file():
        return False
    simulate_world(world_settings(events=n_events), folder)
    return True
