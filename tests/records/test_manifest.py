"""A manifest that no run wrote is refused with the file and the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from synthetic import Plan, make_run

from bench.errors import RunError
from bench.records import manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", Plan(clients=(1,), trials=1, measure_s=0.2, warmup_s=0.1))


def test_a_run_is_read_back(folder: Path) -> None:
    assert manifest.read(folder) == json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"scenario": 3}, "scenario: found 3, and that is not what a run writes there"),
    ({"scenario": {}}, r"scenario\.question: found nothing"),
    ({"scenario": {"question": "?", "transports": {"a": {}}, "load": {"clients": 3}}},
     r"scenario\.load\.clients: found 3, allowed is a list"),
    ({"plan": {}}, "plan: found {}"),
    ({"host": []}, r"host: found \[\]"),
    ({"costs": None}, "costs: found nothing"), ({"costs": {"by_kind": []}}, r"costs\.told: found nothing"),
    ({"costs": {"told": "x", "by_kind": [{"transport": "websocket", "tls": False, "compression": "none"}]}},
     r"costs\.by_kind\.0\.costs: found nothing"),
    ({"subjects": {"a": {"options": 3}}}, r"subjects\.a\.options: found 3"),
    ({"schema_version": None}, "schema_version: found nothing.*no file of a run"),
])
def test_a_wrong_field_is_named(folder: Path, changes: dict[str, Any], sentence: str) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(RunError, match=rf"manifest\.json: {sentence}"):
        manifest.read(folder)


def test_a_run_goes_on_only_with_all_that_was_frozen(folder: Path) -> None:
    with pytest.raises(RunError, match=r"manifest\.json: [a-z_]+: found nothing"):
        manifest.read(folder, manifest.Resumable)


@pytest.mark.parametrize(("costs", "sentence"), [
    ({}, "costs: found none, allowed are those that the simulated run began with"),
    ({"costs": {"told": "x", "sha256": "y"}}, r"costs\.file: found nothing"),
])
def test_a_simulated_run_goes_on_only_with_its_costs(
    folder: Path, costs: dict[str, Any], sentence: str
) -> None:
    path = folder / "manifest.json"
    frozen = {"source": "simulated", "question": "?", "scenario_folder": ".", "clock_origin_ns": 1,
              "commit": None, "dirty": None, "feed_file": None, "plan": [], "resumed": []}
    path.write_text(json.dumps(json.loads(path.read_text()) | frozen | costs))
    with pytest.raises(RunError, match=rf"manifest\.json: {sentence}"):
        manifest.read(folder, manifest.Resumable)
