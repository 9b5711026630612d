"""The pieces of HTML a report is put together from; every text is escaped here."""

from collections.abc import Mapping, Sequence
from html import escape
from math import isnan
from typing import Final

from graphrec.evaluation import plots
from graphrec.evaluation.figures import SourceFigures, SplitFigures
from graphrec.evaluation.intervals import Interval

ABSENT: Final = "\N{EN DASH}"
LIST_FIGURES: Final = (
    ("coverage", "Share of the catalogue that is in at least one list."),
    ("gini", "How unevenly the places are shared among all items: 0 equally, 1 one item has all."),
    ("novelty", "Mean self-information of recommended items from training popularity, in bits."),
    ("popularity", "Mean training events of recommended items (ARP)."),
    ("popularity_lift", "Recommended items' popularity over the histories', less one."),
    ("diversity", "One less the mean cosine of the items' vectors within a list."),
    ("serendipity", "Share of places that came true and that popularity does not recommend."),
)


def section(figures: SplitFigures, anchor: str) -> str:
    """One run and split: what was asked, tables, plots."""
    asked = (
        f"{figures.n_queries:,} queries of {figures.n_users:,} users; each ranks "
        f"{figures.mean_candidates:,.1f} of {figures.n_items:,} items on average. "
        "Intervals come from drawing users with replacement."
    )
    return "\n".join(
        [
            f'<h2 id="{anchor}">{escape(figures.label)}</h2>',
            f'<p class="soft">{escape(asked)}</p>',
            accuracy_table(figures),
            *_figures(figures),
            slice_table(figures),
            list_table(figures),
            seconds_table(figures),
        ]
    )


def accuracy_table(figures: SplitFigures) -> str:
    """Each metric of each source with its interval, and the paired test against the best."""
    metrics = list(figures.sources[0].accuracy)
    best = {name: max(_number(s.accuracy[name].value) for s in figures.sources) for name in metrics}
    rows = []
    for source in figures.sources:
        cells = [
            interval_cell(source.accuracy[name], is_best=source.accuracy[name].value == best[name])
            for name in metrics
        ]
        rows.append((source.source, [*cells, _comparison_cell(source)]))
    return table(
        "Accuracy, best source first. The last column is the chance of a difference this large to "
        f"the best source in {figures.headline} if both were alike: users' answers swapped at "
        "random, corrected by Holm.",
        [*metrics, "p"],
        rows,
    )


def slice_table(figures: SplitFigures) -> str:
    """The headline metric of each source in each slice."""
    shown = [name for name, share in figures.slice_sizes.items() if share > 0.0]
    heads = [f"{name.replace('_', ' ')} ({figures.slice_sizes[name]:.1%})" for name in shown]
    rows = [
        (source.source, [interval_cell(source.slices[name]) for name in shown])
        for source in figures.sources
    ]
    return table(
        f"{figures.headline} by slice, with each slice's share of the queries.", heads, rows
    )


def list_table(figures: SplitFigures) -> str:
    """Beyond-accuracy figures of each source, and what they mean."""
    names = list(figures.sources[0].lists)
    rows = [
        (source.source, [cell(text(source.lists[name])) for name in names])
        for source in figures.sources
    ]
    meanings = "".join(
        f"<dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(meaning)}</dd>"
        for name, meaning in LIST_FIGURES
        if any(key.startswith(f"{name}@") for key in names)
    )
    heads = [name.replace("_", " ") for name in names]
    return table("What the recommended lists are like.", heads, rows) + f"<dl>{meanings}</dl>"


def seconds_table(figures: SplitFigures) -> str:
    """What each source took."""
    rows = [
        (
            source.source,
            [
                cell(f"{seconds:,.3f}")
                for seconds in (source.seconds.fit, source.seconds.score, source.seconds.absorb)
            ],
        )
        for source in figures.sources
    ]
    return table("Seconds, all splits of the run together.", ["fit", "score", "absorb"], rows)


def definition_list(facts: Mapping[str, str]) -> str:
    """Names and values."""
    pairs = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items() if value
    )
    return f"<dl>{pairs}</dl>"


def _figures(figures: SplitFigures) -> list[str]:
    headline = figures.headline
    shown = [
        figure(
            plots.plot_accuracy(figures),
            f"{headline} of each source; the line is its interval.",
            plots.describe(figures, lambda source: source.accuracy[headline].value),
        ),
        figure(
            plots.plot_slices(figures),
            f"{headline} by slice; under each name, the slice's share of the queries.",
            "The table of slices below holds the same figures.",
        ),
        figure(
            plots.plot_coverage(figures),
            "Coverage against accuracy: right and high is better.",
            "Coverage: " + _describe_list(figures, "coverage"),
        ),
        figure(
            plots.plot_popularity(figures),
            "Popularity bias: how much more popular recommended items are than past ones.",
            "Lift: " + _describe_list(figures, "popularity_lift"),
        ),
    ]
    if figures.time_edges_s:
        shown.append(
            figure(
                plots.plot_over_time(figures),
                f"{headline} over the time of the split, best sources only.",
                f"In the last span: {plots.describe(figures, lambda source: source.over_time[-1])}",
            )
        )
    return shown


def _describe_list(figures: SplitFigures, name: str) -> str:
    key = next(key for key in figures.sources[0].lists if key.startswith(f"{name}@"))
    return plots.describe(figures, lambda source: source.lists[key])


def figure(svg: str, caption: str, words: str) -> str:
    """A plot with its caption, and in words for those who cannot see it."""
    label = escape(f"{caption} {words}", quote=True)
    return (
        f'<figure><div role="img" aria-label="{label}">{svg}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def table(
    caption: str,
    heads: Sequence[str],
    rows: Sequence[tuple[str, Sequence[str]]],
    corner: str = "source",
) -> str:
    """A table with a caption; each row is its name and its cells, which are HTML."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in [corner, *heads])
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>' for name, cells in rows
    )
    label = escape(caption, quote=True)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{label}"><table>'
        f"<caption><span>{escape(caption)}</span></caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def interval_cell(interval: Interval, *, is_best: bool = False) -> str:
    """A figure and where it may lie."""
    if isnan(interval.value):
        return cell(ABSENT)
    mark = ' class="best"' if is_best else ""
    between = f"<small>{text(interval.low)} to {text(interval.high)}</small>"
    return f"<td{mark}>{text(interval.value)}{between}</td>"


def _comparison_cell(source: SourceFigures) -> str:
    if source.against_best is None:
        return cell("best")
    return cell(f"{source.against_best.p_holm:.4f}")


def cell(words: str) -> str:
    """A cell of text."""
    return f"<td>{escape(words)}</td>"


def text(value: float) -> str:
    """A figure as it is printed."""
    if isnan(value):
        return ABSENT
    return f"{value:.4f}" if abs(value) < 10.0 else f"{value:,.1f}"


def _number(value: float) -> float:
    return float("-inf") if isnan(value) else value
