"""Text from files, where it goes: shown, and never obeyed."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.output import terminal
from bench.output.plain import csv_text, from_cells, in_cells, in_markdown, read_csv, visible

texts = st.text(st.characters(codec="utf-8"), max_size=20)


@given(texts)
def test_no_control_character_is_left_but_line_feed_and_tab(text: str) -> None:
    shown = visible(text)
    assert not any(((code := ord(each)) < 32 and each not in "\n\t") or 127 <= code < 160 for each in shown)
    assert len(shown) == len(text)


def test_escape_and_bell_are_shown_as_pictures() -> None:
    assert visible("\x1b]0;title\x07 a\tb\n\x9b1m\x7f") == "␛]0;title␇ a\tb\n\ufffd1m␡"


@pytest.mark.parametrize(("text", "shown"), [
    ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
    ("[here](javascript:alert(1))", "[here]\\(javascript:alert(1))"),
    ("[x]: javascript:1", "[x]\\: javascript:1"), ("<javascript:1>", "&lt;javascript:1>"),
    ("\x1b[1m", "␛[1m"),
    ("p < 0.05, [1, 2]", "p < 0.05, [1, 2]"),
])
def test_markdown_has_no_html_and_no_link(text: str, shown: str) -> None:
    assert in_markdown(text) == in_markdown(shown) == shown


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "'=1", "''@x"])
def test_a_cell_does_not_begin_like_a_formula_and_is_read_back(text: str) -> None:
    frame = pd.DataFrame({"label": [text, "plain", None], "x": [1.0, -2.0, 3.0]})
    assert in_cells(frame)["label"][0] == f"'{text}"
    back = read_csv(io.StringIO(csv_text(frame), newline=""))
    assert back["label"].tolist()[:2] == [text, "plain"]
    assert back["x"].tolist() == [1.0, -2.0, 3.0]


@given(st.lists(texts.filter(lambda text: not text.isspace()), max_size=4))
def test_what_is_escaped_for_cells_is_found_again(words: list[str]) -> None:
    frame = pd.DataFrame({"label": pd.Series(words, dtype=object)})
    assert from_cells(in_cells(frame))["label"].tolist() == words


@pytest.mark.parametrize("text", ["-3.5", "+1", "it's", "'quoted'", "a=b", "-inf"])
def test_numbers_and_other_texts_stay(text: str) -> None:
    frame = pd.DataFrame({"label": [text]})
    assert in_cells(frame)["label"][0] == from_cells(in_cells(frame))["label"][0] == text


def test_the_terminal_shows_text_of_files_and_keeps_its_own_styles() -> None:
    out = io.StringIO()
    console = terminal.console(
        file=out, force_terminal=True, color_system="standard", markup=False, highlight=False)
    console.print("a\x1b[31mb", style="bold")
    assert "a␛[31mb" in out.getvalue()
    assert out.getvalue().startswith("\x1b[1m")
