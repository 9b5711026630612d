"""One report of an evaluation: `result.json` for machines, `report.html` for people."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from math import isnan
from pathlib import Path
from string import Template
from typing import Any, Final

from graphrec.evaluation import page
from graphrec.evaluation.figures import SplitFigures
from graphrec.evaluation.provenance import Provenance

RESULT_FORMAT: Final = 1
RESULT_FILE: Final = "result.json"
REPORT_FILE: Final = "report.html"


def write_report(
    figures: Sequence[SplitFigures], folder: Path, provenance: Provenance, *, title: str
) -> Path:
    """Write the figures to `folder` as `result.json` and as one page, `report.html`.

    Both are written whole beside their place and then renamed. The page needs no network: plots
    are inlined, and it follows the reader's light or dark setting.

    Args:
        figures: What `figures_of` computed.
        folder: Where; made if it is not there. Files of these names are replaced.
        provenance: Where the figures come from.
        title: Headline of the page.

    Returns:
        Path of the page.
    """
    return write_both(as_json(figures, provenance), as_html(figures, provenance, title), folder)


def write_both(result: dict[str, Any], html: str, folder: Path) -> Path:
    """Write `result.json` and `report.html` to a folder, and return the page's path.

    Args:
        result: JSON values; NaN becomes null.
        html: The page.
        folder: Where; made if it is not there. Files of these names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_without_nan(result), indent=1, allow_nan=False, ensure_ascii=False)
    texts = {RESULT_FILE: text + "\n", REPORT_FILE: html}
    # Process id, so that two runs into one folder do not write into each other.
    beside = {name: folder / f".{name}.{os.getpid()}" for name in texts}
    try:
        for name, text in texts.items():
            beside[name].write_text(text, encoding="utf-8")
        for name in texts:
            beside[name].replace(folder / name)
    finally:
        for path in beside.values():
            path.unlink(missing_ok=True)
    return folder / REPORT_FILE


def as_json(figures: Sequence[SplitFigures], provenance: Provenance) -> dict[str, Any]:
    """The figures and where they come from, as JSON values; a figure that is NaN becomes null."""
    whole = {
        "format": RESULT_FORMAT,
        "provenance": asdict(provenance),
        "runs": [asdict(part) for part in figures],
    }
    plain: dict[str, Any] = _without_nan(whole)
    return plain


def as_html(figures: Sequence[SplitFigures], provenance: Provenance, title: str) -> str:
    """The page."""
    anchors = [f"run-{number}" for number in range(1, len(figures) + 1)]
    sections = [
        (anchor, part.label, page.section(part, anchor))
        for anchor, part in zip(anchors, figures, strict=True)
    ]
    return fill_page(title, provenance, sections)


def fill_page(title: str, provenance: Provenance, sections: Sequence[tuple[str, str, str]]) -> str:
    """A page of sections, each given as anchor, label and HTML, and where they come from."""
    template = Template(Path(__file__).with_name(REPORT_FILE).read_text(encoding="utf-8"))
    links = "".join(
        f'<li><a href="#{anchor}">{escape(label)}</a></li>' for anchor, label, _ in sections
    )
    return template.substitute(
        title=escape(title),
        subtitle=escape(f"{provenance.data_name}, measured {provenance.measured_at}"),
        contents=f"<nav aria-label='Runs'><ul>{links}</ul></nav>" if len(sections) > 1 else "",
        sections="\n".join(html for _, _, html in sections),
        provenance=_provenance(provenance),
    )


def _provenance(provenance: Provenance) -> str:
    facts = {
        "data": provenance.data_name,
        "sha256": provenance.data_sha256,
        "commit": provenance.commit,
        "seed": str(provenance.seed),
        **provenance.hardware,
        "versions": ", ".join(f"{name} {found}" for name, found in provenance.versions.items()),
    }
    settings = json.dumps(provenance.settings, indent=1, ensure_ascii=False, default=str)
    return page.definition_list(facts) + (
        f"<details><summary>Settings</summary><pre>{escape(settings)}</pre></details>"
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return None if isnan(value) else value
    if isinstance(value, Mapping):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return value
