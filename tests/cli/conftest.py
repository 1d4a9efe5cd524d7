"""Fixtures of the tests of all verbs: a lock of their own, so that no run beside them is in their way."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import pytest

from bench.simulation import pool


@pytest.fixture(autouse=True)
def own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the machine's lock, which is in the folder for temporary files, into the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(autouse=True)
def no_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no helpers, which take longer to start than a test's work; `tests/simulation/test_pool.py` does."""
    monkeypatch.setattr(pool, "ALONE_S", math.inf)
