"""Reports on a single sheet, for runs that were computed or simulated without any trial.

    manifest.json, *.csv ─► Sheet (plain data) ─► report.html  report.md  figures/*.svg

Reports of runs with trials have verdicts, intervals and caveats of measuring, and a page of their own
(`bench.report.pages.run`); the look is the same. Everything comes from the run's files, so the same files
give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from bench.errors import RunError
from bench.output import plain
from bench.records.trial_record import SCHEMA_VERSION, read_json, whole_file, write_json
from bench.report import style
from bench.report.tables.run import TextTable
from bench.scenario.parsing import value_text

TEMPLATES = Path(__file__).parents[1] / "templates"
DIGESTS = "tables.json"
"""The file with the digest of each table as it was written, so that only unchanged tables are reported."""


@dataclass(frozen=True, slots=True)
class PageFigure:
    """A figure of a page: its drawing as SVG, and a caption that says how to read it."""

    name: str
    title: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """The data that the templates of a sheet fill in."""

    question: str
    subtitle: str
    notice: str
    """The notice that the results are simulated, with the source of the costs."""
    findings: Sequence[str]
    glance: Sequence[TextTable]
    plates: Sequence[PageFigure]
    sections: Sequence[TextTable]
    caveats: Sequence[str]


def drawn(name: str, figure: Figure, caption: str, aside: str = "") -> PageFigure:
    """Return a figure as a page shows it, with the note `aside` along its edge.

    Its title is that of the figure, or of its first axes.
    """
    if aside:
        style.aside(figure, aside)
    title = figure.get_suptitle() or figure.axes[0].get_title(loc="left")
    return PageFigure(name, title.replace("\n", " "), caption, style.svg(figure, name))


def subtitle(manifest: Mapping[str, Any]) -> str:
    """Return the run's name and its scenario, in words."""
    name = manifest.get("scenario_name")
    return f"Run {manifest.get('run', 'without a name')}" + (f", scenario {name}" if name else "")


def write(folder: Path, page: Any, template: str = "sheet") -> None:
    """Write `report.html`, `report.md` and the figures beside them into `folder`.

    `page` is the data that the template fills in; it has `plates`, the figures.
    """
    for plate in page.plates:
        _write(folder / "figures" / f"{plate.name}.svg", plate.svg)
    for name in ("report.html", "report.md"):
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=name.endswith(".html"),
            undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
            keep_trailing_newline=True, finalize=plain.in_markdown if name.endswith(".md") else None,
        )
        found = environment.get_template(f"{template}.{name.rpartition('.')[2]}.j2")
        _write(folder / name, found.render(page=page))


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table of the run.

    Raises `RunError` where the file is missing, can't be read, or is not as it was written.
    """
    writes = f"`tickertape simulate --resume {path.parent}` writes it"
    try:
        found = path.read_bytes()
        if _digest(found) != _digests(path.parent).get(path.name, _digest(found)):
            raise RunError(f"{path}: found another content than was written; {writes}")
        return plain.read_csv(BytesIO(found))
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; {writes}") from None
    except (ValueError, OSError) as error:   # a ParserError is a ValueError
        what = str(error).partition("\n")[0]
        raise RunError(f"{path}: can't be read ({what}); {writes}") from error


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write all tables of the run, by file name, each whole or not at all, and their digests."""
    digests = {}
    for name, frame in tables.items():
        content = plain.csv_text(frame).encode()
        with whole_file(folder / name) as beside:
            beside.write_bytes(content)
        digests[name] = _digest(content)
    write_json(folder / DIGESTS, {"schema_version": SCHEMA_VERSION, "sha256": digests})


def _digests(folder: Path) -> dict[str, str]:
    """Return the digest of each table by file name; none for a run that is older than digests.

    Raises `RunError` where the file holds something else.
    """
    path = folder / DIGESTS
    if not path.is_file():
        return {}
    digests = read_json(path).get("sha256")
    if not isinstance(digests, dict):
        raise RunError(f"{path}: sha256: found {value_text(digests)}, allowed is a digest by table; "
                       f"`tickertape simulate --resume {folder}` writes it")
    return digests


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, text: str) -> None:
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")
