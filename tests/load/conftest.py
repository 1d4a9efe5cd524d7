"""What the load's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import Stage, set_up

from bench.experiment.processes import Crew


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    """Processes that are ended whatever happens."""
    with Crew(tmp_path / "logs") as crew:
        yield crew


@pytest.fixture
def stage(crew: Crew, tmp_path: Path, request: pytest.FixtureRequest) -> Stage:
    """Parametrised (indirectly) with (transport, options)."""
    return set_up(crew, tmp_path, *request.param)
