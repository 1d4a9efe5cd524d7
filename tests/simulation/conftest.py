"""Fixtures of the simulator's tests: they start no helpers where they don't say how many."""

from __future__ import annotations

import math

import pytest

from bench.simulation import pool


@pytest.fixture(autouse=True)
def no_helpers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no helpers, which take longer to start than a test's work takes; but the pool's own tests do."""
    if request.path.name != "test_pool.py":
        monkeypatch.setattr(pool, "ALONE_S", math.inf)
