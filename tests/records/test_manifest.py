"""A manifest is read as it was written; one that no run wrote is refused with the file and the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from manifests import COSTS, MEASURED, manifest_of, simulated

from bench import shipped
from bench.errors import RunError
from bench.records import manifest
from bench.records.manifest import Manifest

ASKED: dict[str, Any] = {"question": "?", "transports": {"websocket": {"ping_interval_s": 3.0}}}
PLANNED = {"name": "1-1-websocket-50", "block": 1, "position": 1, "subject": "websocket",
           "transport": "websocket", "clients": 50, "seed": 7}


@pytest.mark.parametrize("fields", [
    {}, {"plan": [PLANNED]}, {"feed_file": {"file": "x.csv", "sha256": "ab"}},
    {**simulated(), "measured": MEASURED},
    {"resumed": [{"at": "2026-01-01T00:00:00Z", "differences": [{"what": "the commit", "found": "decaf"}]}]},
])
def test_a_manifest_is_read_as_it_was_written(tmp_path: Path, fields: dict[str, Any]) -> None:
    written = manifest_of(ASKED, **fields)
    manifest.write(tmp_path, written)
    assert manifest.read(tmp_path) == written


def test_a_key_that_is_not_known_is_kept(tmp_path: Path) -> None:
    manifest.write(tmp_path, manifest_of(ASKED, mood="calm"))
    manifest.write(tmp_path, manifest.read(tmp_path))
    assert json.loads((tmp_path / manifest.NAME).read_text())["mood"] == "calm"


def test_the_reference_has_all_that_a_run_has() -> None:
    found = manifest.read(shipped.path("results/reference"))
    assert found.source == "measured"
    assert len(found.plan) == found.scenario.trials.count * len(found.scenario.transports) * len(
        found.scenario.load.clients)
    assert found.plan[0].seed > 0


def spoilt(folder: Path, changes: dict[str, Any]) -> Path:
    """Return a folder with a manifest in which some fields are others, or gone (`...`)."""
    manifest.write(folder, manifest_of(ASKED))
    path = folder / manifest.NAME
    fields = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in fields.items() if value is not ...}))
    return folder


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"scenario": 3}, "scenario: found 3, allowed is a table"),
    ({"scenario": {}}, r"scenario\.question: found nothing"),
    ({"scenario": {"question": "?", "transports": {"a": {}}, "load": {"clients": 3}}},
     r"scenario\.load\.clients: found 3, allowed is a list"),
    ({"plan": {}}, "plan: found {}"), ({"plan": [{**PLANNED, "seed": None}]}, r"plan\.0\.seed: found nothing"),
    ({"host": []}, r"host: found \[\]"),
    ({"costs": {**COSTS, "description": None}}, r"costs\.description: found nothing"),
    ({"costs": {**COSTS, "by_kind": [{**COSTS["by_kind"][0], "costs": {}}]}},
     r"costs\.by_kind\.0\.costs\.tick_s: found nothing"),
    ({"subjects": {"a": {"transport": "a", "external": False, "options": 3}}}, r"subjects\.a\.options: found 3"),
    ({"schema_version": None}, "schema_version: found nothing.*no file of a run"),
    ({"source": "imagined"}, "source: found 'imagined'"),
    ({"source": "simulated"}, "costs: found none, allowed are those that the simulated run began with"),
    *[({name: ...}, f"{name}: found nothing") for name, field in Manifest.model_fields.items()
      if field.is_required() and name != "scenario"],
    ({"scenario": ...}, r"scenario\.question: found nothing"),
])
def test_a_wrong_field_is_named(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RunError, match=rf"manifest\.json: {sentence}"):
        manifest.read(spoilt(tmp_path, changes))


def test_a_storm_that_names_its_cost_needs_no_costs(tmp_path: Path) -> None:
    priced = manifest_of(ASKED | {"storm": {"connection_ms": 1.0}}, source="simulated")
    manifest.write(tmp_path, priced)
    assert manifest.read(tmp_path).costs is None
