"""Run a simulation: worlds, policies that live on in them, figures, report."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from graphrec.errors import SettingsError
from graphrec.evaluation.closed_loop import Outcomes, outcomes_of
from graphrec.evaluation.loop_figures import LoopFigures, LoopSeconds, figures_of_loop
from graphrec.evaluation.loop_report import write_loop_report
from graphrec.evaluation.provenance import provenance_of
from graphrec.events.world import WorldSettings
from graphrec.events.world.closed_loop import Opening, live_loop, open_world
from graphrec.events.world.policy import Policy
from graphrec.experiment.loop_ranker import Shelf
from graphrec.experiment.policies import build_policy
from graphrec.experiment.reading import read_yaml, settings_of
from graphrec.experiment.simulation_settings import SimulationSettings
from graphrec.experiment.worlds import world_settings

Progress = Callable[[str, int, int], None]
"""Told what was lived, how many lives are over, and how many there are."""


@dataclass(frozen=True, slots=True)
class SimulationRun:
    """A finished simulation.

    Attributes:
        settings: What was asked.
        figures: What came of each policy.
        report: Path of the HTML page; `result.json` lies beside it.
        notes: What policies did without, each with its policy and seed.
    """

    settings: SimulationSettings
    figures: LoopFigures
    report: Path
    notes: tuple[str, ...] = ()


def load_simulation(path: Path) -> SimulationSettings:
    """The simulation in a YAML file; a world's file counts from the file's folder.

    Raises:
        SettingsError: A file cannot be read or a setting is wrong.
    """
    settings = settings_of(SimulationSettings, read_yaml(path), str(path))
    if isinstance(settings.world, Path):
        world = world_settings(path.resolve().parent / settings.world)
        values = settings.model_dump() | {"world": world}
        settings = settings_of(SimulationSettings, values, str(path))
    return settings


def run_simulation(
    settings: SimulationSettings, folder: Path, progress: Progress | None = None
) -> SimulationRun:
    """Let every policy live on in every world, and write the report.

    Args:
        settings: Worlds, policies, spans of time.
        folder: Where `result.json` and `report.html` go; made if it is not there.
        progress: Told how far it is.

    Raises:
        SettingsError: The world is a path that was not read, or a setting does not fit.
    """
    if not isinstance(settings.world, WorldSettings):
        raise SettingsError(f"{settings.world} — a simulation's world is read by load_simulation")
    names = [choice.name or choice.policy for choice in settings.policies]
    outcomes: dict[str, list[Outcomes]] = {name: [] for name in names}
    seconds = dict.fromkeys(names, LoopSeconds(0.0, 0.0, 0.0, 0))
    notes: list[str] = []
    n_lives, n_over = len(names) * len(settings.seeds), 0
    for seed in settings.seeds:
        world = settings.world.model_copy(update={"seed": seed})
        threads = len(os.sched_getaffinity(0))
        opening = open_world(world, settings.warm_up_days, threads=threads)
        shelf: Shelf = {}
        for name, choice in zip(names, settings.policies, strict=True):
            policy = build_policy(choice, seed, shelf)
            outcome, spent = _live(policy, opening, settings)
            outcomes[name].append(outcome)
            notes += [f"{name}, seed {seed}: {note}" for note in getattr(policy, "notes", ())]
            seconds[name] = _sum(seconds[name], spent)
            n_over += 1
            if progress is not None:
                progress(f"{name}, seed {seed}", n_over, n_lives)
    figures = figures_of_loop(
        outcomes,
        seconds,
        settings.intervals,
        seeds=settings.seeds,
        spans=(settings.warm_up_days, settings.days),
    )
    provenance = provenance_of(
        settings.world.name, "", settings.intervals.seed, settings.model_dump(mode="json")
    )
    report = write_loop_report(figures, folder, provenance, title=settings.name)
    return SimulationRun(settings, figures, report, tuple(notes))


def _live(
    policy: Policy, opening: Opening, settings: SimulationSettings
) -> tuple[Outcomes, LoopSeconds]:
    start = perf_counter()
    policy.fit(opening.dataset, opening.cut_s)
    fit_s = perf_counter() - start
    life = live_loop(opening, policy, settings.days, settings.loop)
    loop_s = life.seconds - life.policy_s
    spent = LoopSeconds(fit_s, life.policy_s, loop_s, len(life.trace.pages))
    return outcomes_of(life, opening.truth, settings.outcomes), spent


def _sum(one: LoopSeconds, other: LoopSeconds) -> LoopSeconds:
    return LoopSeconds(
        one.fit + other.fit,
        one.policy + other.policy,
        one.loop + other.loop,
        one.pages + other.pages,
    )
