"""The output of a command: text from files is shown, and never obeyed."""

from __future__ import annotations

import pytest
from rich.table import Table

from bench.output import terminal


def test_a_line_and_a_table_hold_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say("a\x1b]0;title\x07")
    table = Table("label\x1b[2J")
    table.add_row("cell\x1b[31m")
    terminal.console(markup=False).print(table)
    shown = capsys.readouterr().out
    assert "a␛]0;title␇" in shown
    assert "cell␛[31m" in shown
    assert "\x1b" not in shown
