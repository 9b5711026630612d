"""Policies beside each other: figures with intervals, and differences user by user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphrec.errors import DataError
from graphrec.evaluation.closed_loop import MEASURES, OF_THINGS, OVER_DAYS, WHOLE, Outcomes
from graphrec.evaluation.intervals import Comparison, Interval, IntervalSettings, compare_with
from graphrec.evaluation.ratios import Ratio, bootstrap_ratios, compare_ratios


@dataclass(frozen=True, slots=True)
class LoopSeconds:
    """What one policy took, over all worlds.

    Attributes:
        fit: Learning from the warm-up, seconds.
        policy: Answering and absorbing, seconds.
        loop: The simulated world itself, seconds.
        pages: Pages that were asked for.
    """

    fit: float
    policy: float
    loop: float
    pages: int


@dataclass(frozen=True, slots=True)
class PolicyFigures:
    """One policy.

    Attributes:
        policy: Its name.
        measures: Every one of `MEASURES`, over the users of all worlds.
        whole: Every one of `WHOLE`, the mean of the worlds.
        by_world: Every one of both, world by world.
        over_days: Every one of `OVER_DAYS`, by day, the mean of the worlds.
        against_first: This policy less the first one, by every one of `MEASURES` (the same users)
            and of `OF_THINGS` (the same items or publishers); None for the first one.
        differences_by_world: The same for every one of `MEASURES` and `WHOLE`, world by world.
        over_worlds: The mean of those, worlds drawn and swapped in place of users: what to expect
            of another world; None for the first one.
        seconds: What it took.
    """

    policy: str
    measures: Mapping[str, Interval]
    whole: Mapping[str, float]
    by_world: Mapping[str, tuple[float, ...]]
    over_days: Mapping[str, tuple[float, ...]]
    against_first: Mapping[str, Comparison] | None
    differences_by_world: Mapping[str, tuple[float, ...]]
    over_worlds: Mapping[str, Comparison] | None
    seconds: LoopSeconds


@dataclass(frozen=True, slots=True)
class LoopFigures:
    """All policies, lived in the same worlds.

    Attributes:
        seeds: Seed of each world.
        warm_up_days: Days lived before policies took over.
        days: Days lived under each policy.
        n_users: Users counted, of all worlds.
        policies: In the order asked for.
    """

    seeds: tuple[int, ...]
    warm_up_days: int
    days: int
    n_users: int
    policies: tuple[PolicyFigures, ...]


def figures_of_loop(
    outcomes: Mapping[str, Sequence[Outcomes]],
    seconds: Mapping[str, LoopSeconds],
    settings: IntervalSettings,
    *,
    seeds: tuple[int, ...],
    spans: tuple[int, int],
) -> LoopFigures:
    """Put policies beside each other.

    Intervals and tests draw or swap users of all worlds (for shares of items, items). They do not
    know that users of one world meet in what is popular there, or that items compete for places,
    nor how worlds differ: `over_worlds` does, where there are enough of them.

    Args:
        outcomes: What came of each policy in each world, worlds in the order of `seeds`.
        seconds: What each took.
        settings: Intervals and tests.
        seeds: Seed of each world.
        spans: Days of the warm-up, and days lived.

    Raises:
        DataError: A policy lacks a world.
    """
    for name, worlds in outcomes.items():
        if len(worlds) != len(seeds):
            raise DataError(f"{name} has {len(worlds)} worlds — there are {len(seeds)}")
    joined = {
        name: {
            measure.name: Ratio.join([world.by_user[measure.name] for world in worlds])
            for measure in MEASURES
        }
        for name, worlds in outcomes.items()
    }
    first, *others = joined
    against = compare_ratios(joined[first], {name: joined[name] for name in others}, settings)
    for measure in OF_THINGS:
        things = {
            name: {measure: Ratio.join([world.by_thing[measure] for world in worlds])}
            for name, worlds in outcomes.items()
        }
        compared = compare_ratios(things[first], {name: things[name] for name in others}, settings)
        for name in others:
            against[name].update(compared[name])
    by_world = {name: _by_world(worlds) for name, worlds in outcomes.items()}
    over_worlds = _over_worlds(by_world, settings)
    return LoopFigures(
        seeds,
        *spans,
        len(joined[first][MEASURES[0].name].total),
        tuple(
            PolicyFigures(
                name,
                bootstrap_ratios(joined[name], settings),
                {part.name: _mean(by_world[name][part.name]) for part in WHOLE},
                by_world[name],
                {part.name: _over_days(worlds, part.name) for part in OVER_DAYS},
                against.get(name),
                {
                    key: tuple(np.subtract(values, by_world[first][key]).tolist())
                    for key, values in by_world[name].items()
                },
                over_worlds.get(name),
                seconds[name],
            )
            for name, worlds in outcomes.items()
        ),
    )


def _by_world(worlds: Sequence[Outcomes]) -> dict[str, tuple[float, ...]]:
    return {
        **{part.name: tuple(w.by_user[part.name].value for w in worlds) for part in MEASURES},
        **{part.name: tuple(w.whole[part.name] for w in worlds) for part in WHOLE},
    }


def _over_worlds(
    by_world: Mapping[str, Mapping[str, tuple[float, ...]]], settings: IntervalSettings
) -> dict[str, dict[str, Comparison]]:
    first, *others = by_world
    found: dict[str, dict[str, Comparison]] = {name: {} for name in others}
    for measure, values in by_world[first].items():
        theirs = {name: np.array(by_world[name][measure]) for name in others}
        world = np.arange(len(values), dtype=np.int32)
        compared = compare_with(np.array(values), theirs, world, settings)
        for name in others:
            found[name][measure] = compared[name]
    return found


def _over_days(worlds: Sequence[Outcomes], name: str) -> tuple[float, ...]:
    days = zip(*(world.over_days[name].tolist() for world in worlds), strict=True)
    return tuple(_mean(day) for day in days)


def _mean(values: Sequence[float]) -> float:
    given = [value for value in values if not np.isnan(value)]
    return sum(given) / len(given) if given else float("nan")
