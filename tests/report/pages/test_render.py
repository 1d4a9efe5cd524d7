"""A page: both reports hold all of it, text is escaped, nothing is fetched, the same page gives the same bytes."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from bench.report import style
from bench.report.figures.spec import FigureSpec
from bench.report.pages import render
from bench.report.pages.render import Page
from bench.report.tables.run import TextTable
from bench.report.text.findings import MEMORY, Finding

HOSTILE = "<script>alert(1)</script> & \"quoted\" <img src=x>"


def draw(_: object) -> Figure:
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    style.point_tips(axes, [1.0, 2.0], [3.0, 4.0], ["first & only", "second"])
    style.tips(axes.barh(1, 2)[0], ["a bar"])
    return figure


SPEC: FigureSpec[str] = FigureSpec("drawing", lambda data: f"A figure of {data}", draw, "How to read it.")


def make(text: str = "the finding") -> Page:
    """Return a page that has one of everything."""
    return Page(
        question=f"Who & what? {text}", subtitle=f"Run one {text}", notice=f"Simulated with another's costs. {text}",
        answer=f"Take this one. {text}", conditions=f"With one client. {text}",
        summary=["The first finding", "2 < 3", text],
        leading=[TextTable("glance", f"In numbers {text}", ("ticks", f"b {text}"), (("1", f"2 {text}"),))],
        details=[Finding(MEMORY, f"A lead {text}", (f"Another {text}",))],
        figures=[render.drawn(SPEC, text)],
        sections=[TextTable("more", "The rest", ("c",), (("3",),), f"a note {text}")],
        caveats=[f"Beware. {text}"], files=["trials.csv"],
    )


def test_both_reports_hold_all_of_it(tmp_path: Path) -> None:
    render.write(tmp_path, make())
    html, markdown = (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()
    for words in ("Run one", "Simulated with another's costs.", "Take this one.", "With one client.",
                  "The first finding", "In numbers", "How to read it.", "A figure of", "The rest", "a note", "Beware.",
                  "A lead", "Another", "trials.csv", "different updates of the feed"):
        assert words in markdown
        assert words.replace("'", "&#39;") in html or words in html
    assert "Who &amp; what?" in html
    assert "2 &lt; 3" in html
    assert "2 < 3" in markdown
    assert html.startswith("<!DOCTYPE html>")
    assert markdown.startswith("# Who & what?")
    assert (tmp_path / "figures" / "drawing.svg").read_text() in html


def test_the_same_page_gives_the_same_bytes(tmp_path: Path) -> None:
    render.write(tmp_path / "one", make())
    render.write(tmp_path / "two", make())
    names = ("report.html", "report.md", "figures/drawing.svg")
    assert [(tmp_path / "one" / name).read_bytes() for name in names] == [
        (tmp_path / "two" / name).read_bytes() for name in names]


def test_text_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    render.write(tmp_path, make(HOSTILE))
    html = (tmp_path / "report.html").read_text()
    assert html.count("<script>") == 1   # its own
    assert "<img" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_policy_allows_the_pages_own_sheet_and_script_alone(tmp_path: Path) -> None:
    """Any other style, script or request is refused by a browser, so none may be needed."""
    render.write(tmp_path, make())
    html = (tmp_path / "report.html").read_text()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;;" in policy
    assert policy.startswith("default-src &#39;none&#39;;")
    assert not re.search(r"<[^>]+ (style|on[a-z]+)=", html)
    assert not re.search(r"(src|href)=\"(https?:|//)", html.replace('xmlns:xlink="http', ""))


def test_marks_have_their_text_for_the_pointer(tmp_path: Path) -> None:
    svg = render.drawn(SPEC, "x").svg
    assert re.findall(r"<title>(.*?)</title>", svg) == ["first &amp; only", "second", "a bar"] or sorted(
        re.findall(r"<title>(.*?)</title>", svg)) == ["a bar", "first &amp; only", "second"]
    with pytest.raises(ValueError, match="found"):
        style.tips(Figure().subplots().barh(1, 2)[0], [f"a{style.BETWEEN}b"])


def test_every_part_is_in_the_contents_and_is_there(tmp_path: Path) -> None:
    page = make()
    render.write(tmp_path, page)
    html = (tmp_path / "report.html").read_text()
    assert [place for place, _ in page.contents] == [
        "glance", "details", "drawing", "more", "caveats", "terms", "files"]
    for place in re.findall(r'href="#([^"]+)"', html):
        assert f'id="{place}"' in html, place


def test_a_figure_says_along_its_edge_what_it_is() -> None:
    with_note = render.drawn(SPEC, "x", "not measured")
    assert (with_note.title, with_note.caption) == ("A figure of x", "How to read it.")
    assert len(with_note.svg) > len(render.drawn(SPEC, "x").svg)


def test_what_says_nothing_is_left_out() -> None:
    silent: FigureSpec[str] = FigureSpec("silent", "?", draw, "", worth=lambda data: data != "x")
    assert [figure.name for figure in render.drawn_all([SPEC, silent], "x")] == ["drawing"]
    assert [figure.name for figure in render.drawn_all([SPEC, silent], "y")] == ["drawing", "silent"]


@pytest.mark.parametrize(("cell", "number", "unit"), [
    ("12.3 (11.0–13.8)", "12.3", None), ("p90: 12.3 ms (11.0–13.8)", "12.3", "ms"), ("≥ 800", "800", None),
    ("1.2 s", "1.2", "s"), ("3 min", "3", "min"), ("10 k", "10", "k"), ("18.3 kB", "18.3", None),
    ("-5.0 %", "-5.0", None),
])
def test_a_table_is_sorted_by_the_number_of_a_cell_in_its_unit(cell: str, number: str, unit: str | None) -> None:
    """By the script's own pattern, which Python reads as a browser does."""
    script = (render.TEMPLATES / "page.js").read_text()
    pattern = re.search(r"/(\^.*)/\.exec\(bare\)", script)
    assert pattern is not None
    found = re.match(pattern[1], cell)
    assert found is not None
    assert found.groups() == (number, unit)
    assert unit is None or f"{unit}: " in script.partition("const UNITS = {")[2].partition("}")[0]
