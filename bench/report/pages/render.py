"""One page for every report: plain data, filled into one pair of templates.

    run · storm · map · validation · comparison ─► Page ─► report.html  report.md  figures/*.svg

    first screen   question, the answer in a sentence, a panel of bars, a line for each measure
    contents       links to everything below
    below          tables, figures, tables in full, caveats, terms, files

The HTML holds its figures, its style sheet and its one script, and asks the net for nothing: its
Content-Security-Policy allows that sheet and that script by their digests, and nothing else. All text is escaped.
Without JavaScript it is a plain page; with it tables can be sorted. The Markdown has its figures beside it.
Everything comes from the run's files, so the same files give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import jinja2

from bench.output import plain
from bench.records.manifest import Manifest
from bench.records.trial_record import whole_file
from bench.report import style
from bench.report.figures.spec import FigureSpec
from bench.report.tables.panel import Panel
from bench.report.tables.run import TextTable
from bench.report.text.findings import Finding
from bench.report.text.terms import TERMS, term_of

TEMPLATES = Path(__file__).parents[1] / "templates"
Data = TypeVar("Data")


@dataclass(frozen=True, slots=True)
class PageFigure:
    """A figure of a page: its drawing as SVG, and a caption that says how to read it."""

    name: str
    title: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Page:
    """The data that the templates fill in. What is empty is left out."""

    question: str
    subtitle: str
    answer: str = ""
    """The answer in a sentence."""
    conditions: str = ""
    """The conditions under which the answer holds."""
    notice: str = ""
    """The notice that the results are simulated, with the source of the costs."""
    thresholds: Sequence[tuple[str, str]] = ()
    """Verdicts on thresholds: the verdict, and the threshold with the value that was found."""
    panel: Panel | None = None
    """The values that matter, of each transport, as bars on one scale."""
    summary: Sequence[str] = ()
    """Sentences of the first screen; of a run at most one for each measure."""
    leading: Sequence[TextTable] = ()
    """Tables before the figures."""
    details: Sequence[Finding] = ()
    """The findings in full: a sentence for each measure and transport."""
    figures: Sequence[PageFigure] = ()
    sections: Sequence[TextTable] = ()
    """Tables in full, after the figures."""
    caveats: Sequence[str] = ()
    files: Sequence[str] = ()
    """Files with the numbers, beside the page, by name."""

    @property
    def contents(self) -> list[tuple[str, str]]:
        """Return the table of contents: a place of the page and its heading."""
        return [
            *((table.name, table.heading) for table in self.leading),
            *[("details", "Measure by measure")] * bool(self.details),
            *((figure.name, figure.title) for figure in self.figures),
            *((table.name, table.heading) for table in self.sections),
            *[("caveats", "What to keep in mind")] * bool(self.caveats),
            *[("terms", "Terms")] * bool(self.terms),
            *[("files", "Files")] * bool(self.files),
        ]

    @property
    def terms(self) -> list[tuple[str, str, str]]:
        """Return the terms that its tables and its panel use: place, term, meaning."""
        headings = [column for table in (*self.leading, *self.sections) for column in table.columns]
        headings += [measure.heading for measure in self.panel.measures] if self.panel else []
        used = {term_of(heading) for heading in headings}
        return [(place, *TERMS[place]) for place in TERMS if place in used]


def drawn(spec: FigureSpec[Data], data: Data, aside: str = "") -> PageFigure:
    """Return a figure as a page shows it, with the note `aside` along its edge."""
    figure = spec.figure(data)
    if aside:
        style.aside(figure, aside)
    return PageFigure(spec.name, spec.title_of(data), spec.caption_of(data), style.svg(figure, spec.name))


def drawn_all(specs: Sequence[FigureSpec[Data]], data: Data, aside: str = "") -> list[PageFigure]:
    """Return the figures that say something of this data, as `drawn` does."""
    return [drawn(spec, data, aside) for spec in specs if spec.worth(data)]


def subtitle(manifest: Manifest) -> str:
    """Return the run's name and its scenario, in words."""
    return f"Run {manifest.run}, scenario {manifest.scenario_name}"


def files_of(folder: Path, names: Sequence[str]) -> list[str]:
    """Return the names of those files that are in the run's folder."""
    return [name for name in names if (folder / name).is_file()]


def write(folder: Path, page: Page) -> None:
    """Write `report.html`, `report.md` and the figures beside them into `folder`."""
    for figure in page.figures:
        _write(folder / "figures" / f"{figure.name}.svg", figure.svg)
    sheet, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    for name in ("report.html", "report.md"):
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=name.endswith(".html"),
            undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
            keep_trailing_newline=True, finalize=plain.in_markdown if name.endswith(".md") else None,
        )
        environment.globals |= {"term_of": term_of}
        found = environment.get_template(f"page.{name.rpartition('.')[2]}.j2")
        _write(folder / name, found.render(page=page, sheet=sheet, script=script, policy=_policy(sheet, script)))


def _policy(sheet: str, script: str) -> str:
    """Return the Content-Security-Policy of the page: its own style sheet and script, pictures inside it."""
    return (f"default-src 'none'; style-src '{_digest(sheet)}'; script-src '{_digest(script)}'; img-src data:; "
            "base-uri 'none'; form-action 'none'")


def _digest(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _write(path: Path, text: str) -> None:
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")
