"""How a run ends on the terminal: figures that are no numbers, and tables that fit."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from bench.cli import outcome


@pytest.mark.parametrize(("value", "plain", "shown"), [
    (1.234, 1.234, "1.23"), (math.nan, None, "–"), (math.inf, "lost", "lost"), (pd.NA, None, "–"),
    (np.int64(3), 3, "3.00"), (2534.9, 2534.9, "2535"),
])
def test_figures_that_are_no_numbers(value: Any, plain: Any, shown: str) -> None:
    assert outcome._plain(value) == plain
    json.dumps(outcome._plain(value))
    assert outcome._cell(value, "{:.2f}") == shown


def test_the_summarys_table_fits_a_terminal() -> None:
    row = {name: 123.456 for name, _, _ in outcome.COLUMNS} | {"transport": "short_polling"}
    console = Console(width=80, record=True)
    console.print(outcome._summary_table(pd.DataFrame([row])))
    text = console.export_text()
    assert "short_polling" in text
    assert "…" not in text


@pytest.mark.parametrize(("conflated", "shown"), [(0, False), (250, True)])
def test_what_was_conflated_is_seen_at_a_glance(conflated: int, shown: bool) -> None:
    row = {name: 123.456 for name, _, _ in outcome.COLUMNS} | {
        "transport": "short_polling", "conflated": conflated, "updates_due": 1000}
    console = Console(width=80, record=True)
    console.print(outcome._summary_table(pd.DataFrame([row])))
    text = console.export_text()
    assert ("confl." in text, " 25 " in text) == (shown, shown)
    assert "…" not in text
