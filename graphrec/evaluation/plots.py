"""Plots of a report, each a piece of SVG that takes its text colour from the page around it."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from jaxtyping import Float64, Int64
from matplotlib.figure import Figure

from graphrec.evaluation.figures import SourceFigures, SplitFigures
from graphrec.evaluation.results import SLICES

# Okabe and Ito's colours that stand out on white and on black.
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#c08b00", "#3d9bd1", "#8a8a8a")
MARKERS: Final = "osD^vPX*"
# A colour that nothing else has; in the SVG it becomes `currentColor`.
INK: Final = "#010203"
MAX_LINES: Final = 7
STYLE: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "graphrec",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
}


def plot_accuracy(figures: SplitFigures) -> str:
    """The headline metric of each source with its interval, best on top."""

    def draw(axes: Any) -> None:
        for place, source in enumerate(figures.sources):
            interval = source.accuracy[figures.headline]
            _draw_interval(axes, interval, float(place), place)
        _name_rows(axes, figures)
        axes.set_xlabel(f"{figures.headline} with its interval")

    return _svg(draw, _row_height(figures))


def plot_slices(figures: SplitFigures) -> str:
    """The headline metric of each source in each slice that has queries."""
    shown = [name for name in SLICES if figures.slice_sizes[name] > 0.0]

    def draw(axes: Any) -> None:
        sources = figures.sources[:MAX_LINES]
        step = 0.8 / max(1, len(sources))
        for rank, source in enumerate(sources):
            for place, name in enumerate(shown):
                offset = (rank - (len(sources) - 1) / 2) * step
                label = source.source if place == 0 else None
                _draw_interval(axes, source.slices[name], place + offset, rank, label)
        sizes = [f"{name.replace('_', ' ')}\n{figures.slice_sizes[name]:.1%}" for name in shown]
        axes.set_yticks(range(len(shown)), sizes)
        axes.invert_yaxis()
        axes.set_xlabel(f"{figures.headline} in the slice")
        _draw_legend(axes)

    return _svg(draw, 1.6 + len(shown) * max(0.6, 0.16 * min(len(figures.sources), MAX_LINES)))


def plot_coverage(figures: SplitFigures) -> str:
    """Accuracy against the share of the catalogue that is recommended at all."""

    def draw(axes: Any) -> None:
        for place, source in enumerate(figures.sources):
            _draw_point(
                axes,
                _list_figure(source, "coverage"),
                source.accuracy[figures.headline].value,
                place,
                source.source,
            )
        axes.set_xlabel("share of the catalogue recommended to anybody")
        axes.set_ylabel(figures.headline)
        _draw_legend(axes)

    return _svg(draw, 4.2)


def plot_popularity(figures: SplitFigures) -> str:
    """How much more popular each source's items are than what its users had before."""

    def draw(axes: Any) -> None:
        for place, source in enumerate(figures.sources):
            lift = _list_figure(source, "popularity_lift")
            axes.barh(place, lift, color=_colour(place), height=0.6)
        axes.axvline(0.0, color=INK, linewidth=1)
        _name_rows(axes, figures)
        axes.set_xlabel("popularity lift: 0 as in the histories, 1 twice as popular")

    return _svg(draw, _row_height(figures))


def plot_over_time(figures: SplitFigures) -> str:
    """The headline metric of the best sources over the split's time."""

    def draw(axes: Any) -> None:
        edges = np.array(figures.time_edges_s)
        middle = [datetime.fromtimestamp(second, tz=UTC) for second in (edges[:-1] + edges[1:]) / 2]
        for place, source in enumerate(figures.sources[:MAX_LINES]):
            axes.plot(
                middle,
                source.over_time,
                color=_colour(place),
                marker=MARKERS[place % len(MARKERS)],
                markersize=5,
                label=source.source,
            )
        axes.set_ylabel(figures.headline)
        axes.set_ylim(bottom=0.0)
        axes.figure.autofmt_xdate(rotation=30)
        _draw_legend(axes)

    return _svg(draw, 4.2)


@dataclass(frozen=True, slots=True)
class ReliabilityLine:
    """What one model said and what came true, in bins.

    Attributes:
        predicted: Mean prediction of each bin, in [0, 1], ascending.
        observed: Mean outcome of each bin, in [0, 1].
        count: Outcomes in each bin; a point's area grows with its share of them.
    """

    predicted: Float64[np.ndarray, " bins"]
    observed: Float64[np.ndarray, " bins"]
    count: Int64[np.ndarray, " bins"]


def plot_reliability(lines: Mapping[str, ReliabilityLine]) -> str:
    """What came true against what was predicted, by model; on the diagonal both are equal."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=INK, linewidth=1, alpha=0.5)
        for place, (name, line) in enumerate(lines.items()):
            colour = _colour(place)
            axes.plot(line.predicted, line.observed, color=colour, linewidth=1.5, label=name)
            area = 12.0 + 160.0 * line.count / max(1, int(line.count.sum()))
            axes.scatter(line.predicted, line.observed, area, color=colour)
        axes.set_xlabel("predicted")
        axes.set_ylabel("came true")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_aspect("equal")
        _draw_legend(axes)

    return _svg(draw, 6.0)


def plot_days(lines: Mapping[str, Sequence[float]], label: str, first_day: int) -> str:
    """A line for each policy, day by day.

    Args:
        lines: A value for each day, by policy.
        label: What is shown.
        first_day: Number of the first day.
    """

    def draw(axes: Any) -> None:
        for place, (name, values) in enumerate(list(lines.items())[:MAX_LINES]):
            days = np.arange(first_day, first_day + len(values))
            axes.plot(days, values, color=_colour(place), linewidth=1.8, label=name)
        axes.set_xlabel("day of the period")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0.0)
        _draw_legend(axes)

    return _svg(draw, 3.6)


def describe(figures: SplitFigures, value: Callable[[SourceFigures], float]) -> str:
    """What a plot says, in words: each source and its value, for those who cannot see it."""
    parts = [f"{source.source} {value(source):.3f}" for source in figures.sources]
    return "; ".join(parts)


def _svg(draw: Callable[[Any], None], height: float) -> str:
    options: Mapping[str, Any] = STYLE
    with mpl.rc_context(dict(options)):
        figure = Figure(figsize=(7.2, height), layout="constrained")
        draw(figure.add_subplot())
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return _for_page(written.getvalue())


def _for_page(svg: str) -> str:
    """The `<svg>` element alone, scaling with the page, its ink in the page's text colour."""
    element = svg[svg.index("<svg") :].replace(INK, "currentColor")
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    return re.sub(r'(<svg[^>]*?) height="[^"]*"([^>]*?) width="[^"]*"', r"\1\2", element, count=1)


def _draw_interval(
    axes: Any, interval: Any, at: float, place: int, label: str | None = None
) -> None:
    if np.isnan(interval.value):
        return
    axes.plot([interval.low, interval.high], [at, at], color=_colour(place), linewidth=2)
    _draw_point(axes, interval.value, at, place, label)


def _draw_point(axes: Any, x: float, y: float, place: int, label: str | None) -> None:
    marker = MARKERS[place % len(MARKERS)]
    axes.plot([x], [y], marker, color=_colour(place), markersize=7, label=label)


def _draw_legend(axes: Any) -> None:
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _name_rows(axes: Any, figures: SplitFigures) -> None:
    axes.set_yticks(range(len(figures.sources)), [source.source for source in figures.sources])
    axes.set_ylim(len(figures.sources) - 0.4, -0.6)


def _row_height(figures: SplitFigures) -> float:
    return 1.2 + 0.36 * len(figures.sources)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _list_figure(source: SourceFigures, name: str) -> float:
    return next(value for key, value in source.lists.items() if key.startswith(f"{name}@"))
