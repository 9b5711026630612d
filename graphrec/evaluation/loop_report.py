"""The report of policies in simulated worlds: `result.json` and one page."""

from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from math import isnan
from pathlib import Path
from typing import Final

from graphrec.evaluation import page, plots
from graphrec.evaluation.closed_loop import MEASURES, OF_THINGS, OVER_DAYS, WHOLE, Measure
from graphrec.evaluation.intervals import Comparison
from graphrec.evaluation.loop_figures import LoopFigures, PolicyFigures
from graphrec.evaluation.provenance import Provenance
from graphrec.evaluation.report import fill_page, write_both

LOOP_FORMAT: Final = 1


def write_loop_report(
    figures: LoopFigures, folder: Path, provenance: Provenance, *, title: str
) -> Path:
    """Write the figures to `folder` as `result.json` and as one page, `report.html`.

    Args:
        figures: What `figures_of_loop` computed.
        folder: Where; made if it is not there. Files of these names are replaced.
        provenance: Where the figures come from.
        title: Headline of the page.

    Returns:
        Path of the page.
    """
    result = {
        "format": LOOP_FORMAT,
        "provenance": asdict(provenance),
        "simulation": asdict(figures),
    }
    sections = [
        ("users", "What came of each policy", _users(figures)),
        ("differences", "Differences", _differences(figures)),
        ("days", "Day by day", _days(figures)),
        ("worlds", "World by world", _worlds(figures)),
        ("seconds", "Seconds", _seconds(figures)),
    ]
    return write_both(result, fill_page(title, provenance, sections), folder)


def _heading(anchor: str, words: str) -> str:
    return f'<h2 id="{anchor}">{escape(words)}</h2>'


def _names(figures: LoopFigures) -> list[str]:
    return [policy.policy for policy in figures.policies]


def _users(figures: LoopFigures) -> str:
    asked = (
        f"{figures.n_users:,} users of {len(figures.seeds)} simulated worlds; {figures.days} days "
        f"under each policy after {figures.warm_up_days} days under the world's own mixture. "
        "Every policy meets the same users with the same luck. Intervals come from drawing users "
        "with replacement."
    )
    rows = []
    for measure in MEASURES:
        values = [policy.measures[measure.name] for policy in figures.policies]
        best = _best([value.value for value in values], measure)
        rows.append(
            (
                _label(measure),
                [page.interval_cell(value, is_best=value.value == best) for value in values],
            )
        )
    for measure in WHOLE:
        wholes = [policy.whole[measure.name] for policy in figures.policies]
        rows.append((_label(measure), [page.cell(page.text(value)) for value in wholes]))
    meanings = "".join(
        f"<dt>{escape(_label(measure))}</dt><dd>{escape(measure.meaning)}</dd>"
        for measure in (*MEASURES, *WHOLE)
    )
    table = page.table("Each measure of each policy.", _names(figures), rows, "measure")
    return "\n".join(
        [
            _heading("users", "What came of each policy"),
            f'<p class="soft">{escape(asked)}</p>',
            table,
            f"<dl>{meanings}</dl>",
        ]
    )


def _differences(figures: LoopFigures) -> str:
    first, others = figures.policies[0], figures.policies[1:]
    rows = [
        (
            _label(measure),
            [
                _comparison_cell(
                    policy.against_first[measure.name],
                    policy.over_worlds[measure.name],
                    policy.differences_by_world[measure.name],
                )
                for policy in others
                if policy.against_first is not None and policy.over_worlds is not None
            ],
        )
        for measure in (*MEASURES, *(one for one in WHOLE if one.name in OF_THINGS))
    ]
    caption = (
        f"Each policy less {first.policy}, on the same users, items or publishers: difference, its "
        "interval, and the chance of one this large if both were alike (swapped at random, "
        "corrected by Holm for the policies of a row); in how many worlds it points the same way, "
        "and the mean of the worlds with the chance of it if worlds are swapped."
    )
    names = [policy.policy for policy in others]
    return _heading("differences", "Differences") + page.table(caption, names, rows, "measure")


def _days(figures: LoopFigures) -> str:
    parts = [_heading("days", "Day by day")]
    for measure in OVER_DAYS:
        lines = {policy.policy: policy.over_days[measure.name] for policy in figures.policies}
        words = "On the last day: " + "; ".join(
            f"{name} {page.text(values[-1])}" for name, values in lines.items()
        )
        svg = plots.plot_days(lines, _label(measure), figures.warm_up_days)
        parts.append(page.figure(svg, f"{measure.meaning} Mean of the worlds.", words))
    return "\n".join(parts)


def _worlds(figures: LoopFigures) -> str:
    parts = [_heading("worlds", "World by world")]
    for policy in figures.policies:
        rows = [
            (
                _label(measure),
                [page.cell(page.text(value)) for value in policy.by_world[measure.name]],
            )
            for measure in (*MEASURES, *WHOLE)
        ]
        heads = [f"seed {seed}" for seed in figures.seeds]
        parts.append(page.table(f"{policy.policy}, world by world.", heads, rows, "measure"))
    return "\n".join(parts)


def _seconds(figures: LoopFigures) -> str:
    rows = [(policy.policy, _seconds_cells(policy)) for policy in figures.policies]
    heads = ["fit", "policy", "world", "pages", "policy, µs a page", "world, µs a page"]
    caption = "Seconds of each policy in all worlds."
    return _heading("seconds", "Seconds") + page.table(caption, heads, rows, "policy")


def _seconds_cells(policy: PolicyFigures) -> list[str]:
    spent = policy.seconds
    pages = max(spent.pages, 1)
    whole = [f"{value:,.2f}" for value in (spent.fit, spent.policy, spent.loop)]
    each = [f"{1e6 * value / pages:,.1f}" for value in (spent.policy, spent.loop)]
    return [page.cell(words) for words in [*whole, f"{spent.pages:,}", *each]]


def _comparison_cell(
    comparison: Comparison, over_worlds: Comparison, by_world: Sequence[float]
) -> str:
    difference = comparison.difference
    if isnan(difference.value):
        return page.cell(page.ABSENT)
    between = f"{page.text(difference.low)} to {page.text(difference.high)}"
    same = sum(value * difference.value > 0 for value in by_world)
    return (
        f"<td>{difference.value:+.4f}<small>{between}</small>"
        f"<small>p {comparison.p_holm:.4f}; {same} of {len(by_world)} worlds</small>"
        f"<small>{over_worlds.difference.value:+.4f}, p {over_worlds.p_holm:.4f}</small></td>"
    )


def _best(values: Sequence[float], measure: Measure) -> float:
    given = [value for value in values if not isnan(value)]
    match measure.aim:
        case "more":
            return max(given, default=float("nan"))
        case "less":
            return min(given, default=float("nan"))
        case "neither":
            return float("nan")


def _label(measure: Measure) -> str:
    return measure.name.replace("_", " ")
