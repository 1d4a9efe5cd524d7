"""A sheet: both reports hold all of it, words are escaped, and the same sheet gives the same bytes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from bench.errors import RunError
from bench.report.pages import render
from bench.report.tables.run import TextTable


def make() -> render.Sheet:
    """One of everything."""
    figure = Figure()
    figure.subplots().set_title("A figure's finding", loc="left")
    return render.Sheet(
        question="Who & what?", subtitle="Run one", notice="Simulated with another's costs.",
        findings=["The first finding", "2 < 3"],
        glance=[TextTable("glance", "In numbers", ("a", "b"), (("1", "2"),))],
        plates=[render.drawn("plate", figure, "How to read it.")],
        sections=[TextTable("more", "The rest", ("c",), (("3",),), "a note")], caveats=["Beware."],
    )


def test_both_reports_hold_all_of_it(tmp_path: Path) -> None:
    render.write(tmp_path, make())
    html, markdown = (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()
    for words in ("Run one.", "Simulated with another's costs.", "The first finding", "In numbers",
                  "How to read it.", "A figure's finding", "The rest", "a note", "Beware."):
        assert words in markdown
        assert words.replace("'", "&#39;") in html or words in html
    assert "Who &amp; what?" in html
    assert "2 &lt; 3" in html
    assert "2 < 3" in markdown
    assert html.startswith("<!DOCTYPE html>")
    assert markdown.startswith("# Who & what?")
    assert (tmp_path / "figures" / "plate.svg").read_text() in html


def test_the_same_sheet_gives_the_same_bytes(tmp_path: Path) -> None:
    render.write(tmp_path / "one", make())
    render.write(tmp_path / "two", make())
    names = ("report.html", "report.md", "figures/plate.svg")
    assert [(tmp_path / "one" / name).read_bytes() for name in names] == [
        (tmp_path / "two" / name).read_bytes() for name in names]


def test_tables_are_read_as_they_were_written(tmp_path: Path) -> None:
    frame = pd.DataFrame({"policy": ["a"], "recovered_s": [float("inf")], "seed": [3]})
    render.write_tables(tmp_path, {"t.csv": frame})
    assert render.read_csv(tmp_path / "t.csv").equals(frame)
    with pytest.raises(RunError, match="no such file"):
        render.read_csv(tmp_path / "other.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(RunError, match="can't be read"):
        render.read_csv(tmp_path / "empty.csv")


def test_a_figure_says_along_its_edge_what_it_is() -> None:
    figure = Figure(layout="constrained")
    figure.subplots().set_title("A figure's finding", loc="left")
    with_note = render.drawn("plate", figure, "How to read it.", "not measured")
    (note,) = figure.texts
    assert note.get_text() == "not measured"
    assert (with_note.title, with_note.caption) == ("A figure's finding", "How to read it.")


def test_a_table_that_was_changed_is_refused(tmp_path: Path) -> None:
    """Whatever is wrong with it; older runs have nothing to hold theirs to."""
    path = tmp_path / "t.csv"
    render.write_tables(tmp_path, {
        "t.csv": pd.DataFrame({"policy": ["a"], "seed": [3]}), "other.csv": pd.DataFrame({"n": [1]})})
    path.write_text("policy\n")
    with pytest.raises(RunError, match=r"t\.csv: found another content than was written; .*--resume"):
        render.read_csv(path)
    assert render.read_csv(tmp_path / "other.csv")["n"].tolist() == [1]
    (tmp_path / render.DIGESTS).write_text('{"schema_version": 1, "sha256": 3}')
    with pytest.raises(RunError, match=r"tables\.json: sha256: found 3"):
        render.read_csv(path)
    (tmp_path / render.DIGESTS).unlink()
    assert render.read_csv(path).columns.tolist() == ["policy"]
