"""The unit of a column is what docs/results.md says it is."""

from __future__ import annotations

import re

import pytest
from documented import DOCUMENT

from bench.report.data.units import unit_of

SECTION = re.split(r"^#+ ", DOCUMENT.partition("# trials.csv\n")[2], flags=re.MULTILINE)[0]
ROWS = [line.split("|")[1:3] for line in SECTION.splitlines() if line.startswith("| `")]
UNITS = {name: unit.strip() for names, unit in ROWS for name in re.findall(r"`([^`]+)`", names)}


@pytest.mark.parametrize("column", [name for name, unit in UNITS.items() if "," not in unit])
def test_the_document_has_the_same_unit(column: str) -> None:
    assert unit_of(column) == UNITS[column]
