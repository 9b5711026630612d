"""Figures and reports: complete, honest about what is missing, and readable offline."""

import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from graphrec.errors import DataError, SettingsError
from graphrec.evaluation import provenance, report
from graphrec.evaluation.beyond_accuracy import co_watch_vectors
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.figures import FigureSettings, SplitFigures, figures_of
from graphrec.evaluation.intervals import IntervalSettings
from graphrec.evaluation.last_out import LastOutSettings, evaluate_last_out
from graphrec.evaluation.plots import plot_over_time
from graphrec.evaluation.results import EvaluationResult
from graphrec.evaluation.stream import StreamSettings, evaluate_stream
from graphrec.stages import Interactions
from tests.evaluation.sources import CountingSource, LastAgain
from tests.worlds import watched

SETTINGS = FigureSettings(intervals=IntervalSettings(resamples=100), list_length=3, time_bins=4)


def some_log() -> Interactions:
    rng = np.random.default_rng(5)
    rows = [(10 * at, *rng.integers(0, [6, 8]).tolist()) for at in range(80)]
    return watched(rows, n_users=6, n_items=8)


@pytest.fixture(scope="module")
def results() -> list[EvaluationResult]:
    log = some_log()
    sources = [CountingSource(), LastAgain("last <b>&</b> again")]
    return [
        *evaluate_stream(sources, log, Cuts(300, 600), StreamSettings()),
        *evaluate_last_out(sources, log, LastOutSettings(splits=("test",))),
    ]


@pytest.fixture(scope="module")
def figures(results) -> list[SplitFigures]:
    return figures_of(results, SETTINGS, vectors=co_watch_vectors(some_log()))


@pytest.fixture(scope="module")
def origin() -> provenance.Provenance:
    return provenance.provenance_of("drawn", "ab12", 7, {"k": 3})


def test_figures_cover_every_run_split_and_source(figures, results) -> None:
    assert [part.label for part in figures] == [
        "stream, strict, test",
        "stream, strict, validation",
        "last_out, last item, test",
    ]
    test = results[0].of_split("test")
    best_first = [source.accuracy["mrr"].value for source in figures[0].sources]
    assert best_first == sorted(best_first, reverse=True)
    popular = next(s for s in figures[0].sources if s.source == "popular")
    assert popular.accuracy["mrr"].value == pytest.approx((1 / test.rank).mean())
    assert popular.lists["serendipity@3"] == 0.0
    assert set(popular.lists) == {
        f"{name}@3"
        for name in (
            "coverage",
            "gini",
            "novelty",
            "popularity",
            "popularity_lift",
            "diversity",
            "serendipity",
        )
    }
    assert figures[0].sources[0].against_best is None
    assert figures[0].sources[1].against_best is not None


def test_figures_over_time_average_to_the_whole(figures, results) -> None:
    part = figures[0]
    times = results[0].of_split("test").questions.time_s
    sizes = np.histogram(times, part.time_edges_s)[0]
    assert sizes.sum() == part.n_queries == 20
    for source in part.sources:
        mean = np.average(source.over_time, weights=sizes)
        assert mean == pytest.approx(source.accuracy["mrr"].value)


def test_slices_average_to_the_whole(figures) -> None:
    # Repeat and not repeat part the queries; here nobody and nothing is new.
    part = figures[0]
    assert part.slice_sizes["new_user"] == 0.0
    for source in part.sources:
        assert np.isnan(source.slices["new_user"].value)
        assert sum(
            source.slices[name].value * part.slice_sizes[name] for name in ("repeat", "other")
        ) == pytest.approx(source.accuracy["mrr"].value)


def test_without_vectors_and_baseline_their_figures_are_left_out(results) -> None:
    [figure] = figures_of(results[3:], SETTINGS)
    assert {"diversity@3", "serendipity@3"}.isdisjoint(figure.sources[0].lists)


def test_results_that_do_not_belong_together_are_refused(results) -> None:
    with pytest.raises(DataError, match="names are different"):
        figures_of([results[0], results[0]], SETTINGS)
    other = evaluate_stream([LastAgain()], some_log(), Cuts(200, 600), StreamSettings())
    with pytest.raises(DataError, match="last again and popular were asked different questions"):
        figures_of([results[0], *other], SETTINGS)
    with pytest.raises(SettingsError, match="list_length <= top_k"):
        figures_of(results, FigureSettings(list_length=21))
    with pytest.raises(DataError, match="unknown split 'tset'"):
        results[0].of_split("tset")
    with pytest.raises(DataError, match="unknown slice 'new'"):
        results[0].of_slice("new")


class PageReader(HTMLParser):
    """Collects what a page refers to and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.links += [
            str(value) for name, value in attrs if name in {"src", "href", "xlink:href", "srcset"}
        ]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(figures, origin, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "deep" / "out"
    return report.write_report(figures, folder, origin, title="A & <B>")


def read(page: Path) -> PageReader:
    reader = PageReader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader


def test_report_is_one_page_that_refers_to_nothing_outside(page) -> None:
    assert sorted(path.name for path in page.parent.iterdir()) == ["report.html", "result.json"]
    reader = read(page)
    assert reader.links
    assert all(link.startswith("#") for link in reader.links)
    assert "url(http" not in page.read_text(encoding="utf-8")
    assert "A & <B>" in reader.text
    assert "last <b>&</b> again" in reader.text
    assert "stream, strict, validation" in reader.text
    assert reader.text.count("$") == 0


def test_report_can_be_read_aloud(page, figures) -> None:
    reader = read(page)
    kinds = [tag for tag, _ in reader.tags]
    assert kinds.count("table") == kinds.count("caption") == 4 * len(figures)
    assert all("scope" in attrs for tag, attrs in reader.tags if tag == "th")
    images = [attrs for tag, attrs in reader.tags if attrs.get("role") == "img"]
    assert len(images) == kinds.count("svg") == kinds.count("figure") == 5 * len(figures)
    assert all(len(attrs["aria-label"] or "") > 30 for attrs in images)


def test_plots_are_svg_in_the_colour_of_the_page(figures) -> None:
    svg = plot_over_time(figures[0])
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert "currentColor" in svg
    assert "#010203" not in svg
    assert svg == plot_over_time(figures[0])


def test_result_holds_every_figure_and_where_it_comes_from(page) -> None:
    found = json.loads(page.with_name("result.json").read_text())
    assert found["format"] == 1
    assert found["provenance"]["data_sha256"] == "ab12"
    assert found["provenance"]["seed"] == 7
    assert {"processor", "cores", "memory"} <= set(found["provenance"]["hardware"])
    assert {"python", "numpy"} <= set(found["provenance"]["versions"])
    run = found["runs"][0]
    assert (run["protocol"], run["regime"], run["split"]) == ("stream", "strict", "test")
    best = run["sources"][0]
    assert set(best["accuracy"]["mrr"]) == {"value", "low", "high"}
    assert set(best["seconds"]) == {"fit", "score", "absorb"}
    assert best["slices"]["new_user"]["value"] is None


def test_a_failed_report_leaves_the_old_one(figures, origin, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(report, "as_html", lambda figures, origin, title: title)
    report.write_report(figures, tmp_path, origin, title="old")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_text = Path.write_text

    def broken(path: Path, text: str, encoding: str | None = None) -> int:
        if "report" in path.name:
            raise OSError("disk full")
        return write_text(path, text, encoding=encoding)

    monkeypatch.setattr(Path, "write_text", broken)
    with pytest.raises(OSError, match="disk full"):
        report.write_report(figures, tmp_path, origin, title="new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_commit_is_unknown_outside_the_repository(tmp_path) -> None:
    assert provenance.code_commit(tmp_path) == "unknown"
    assert provenance.code_commit() == "unknown" or len(provenance.code_commit()) >= 40


def test_hardware_is_named_where_the_system_says_nothing(tmp_path, monkeypatch) -> None:
    assert provenance._processor(tmp_path / "none")
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nmodel name\t: Some CPU\n")
    assert provenance._processor(info) == "Some CPU"
    monkeypatch.setattr(provenance, "_has", lambda name: False)
    assert provenance.hardware()["memory"] == "unknown"
