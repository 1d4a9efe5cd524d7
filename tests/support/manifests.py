"""Manifests as runs write them, for tests that make a run's folder without a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench.experiment import plan
from bench.records.manifest import CostsEntry, Manifest
from bench.report import RunData
from bench.scenario.model import Scenario

TOLD = "costs measured on nowhere (Imagined 3000, 2 cores), 2026-11-01"
COSTS: dict[str, Any] = {
    "description": TOLD, "file": "costs-nowhere.json", "sha256": "c0ffee", "host_name": "nowhere",
    "made_at": "2026-11-01T12:00:00Z", "commit": None,
    "by_kind": [
        {"transport": name, "tls": False, "compression": "none", "costs": {
            "tick_s": 1e-3, "request_s": 2e-5, "answer_s": 0.0, "update_s": 0.0, "byte_s": 1e-9,
            "connection_s": 0.0, "base_share": 0.01, "socket_share": 0.0}}
        for name in ("short_polling", "long_polling", "websocket")],
}
MEASURED = {"run": "reference", "host": None, "memory_bytes_per_client": {"websocket": 30_000.0}}


def manifest_of(scenario: Scenario | Mapping[str, Any], **fields: Any) -> Manifest:
    """Return the manifest of a run of this scenario that has no plan; `fields` are further ones, or other values."""
    scenario = Scenario.model_validate(scenario)
    options = plan.options_of_all(scenario, "a test's scenario")
    return Manifest.model_validate({
        "run": "r", "question": scenario.question, "scenario_name": "made-up", "scenario_folder": ".",
        "digest": scenario.digest(), "seed": scenario.seed, "started_at": "2026-01-01T00:00:00Z",
        "command": [], "commit": None, "dirty": None, "versions": {"python": "3.11.0"}, "host": {},
        "clock_origin_ns": 0, "feed_file": None, "resumed": [], "plan": [], "scenario": scenario,
        "subjects": {label: {"transport": subject.transport, "options": options[label].model_dump(mode="json"),
                             "server": subject.implementation, "external": subject.external is not None}
                     for label, subject in scenario.transports.items()},
        **fields,
    })


def simulated(**fields: Any) -> dict[str, Any]:
    """Return the fields that only a simulated run has; `fields` are other values of its costs."""
    return {"source": "simulated", "costs": CostsEntry.model_validate(COSTS | fields)}


def merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table of tables with some values changed or added."""
    return {**table, **{
        name: merged(table.get(name) or {}, value) if isinstance(value, Mapping) else value
        for name, value in changes.items()}}


def asking(run: RunData, **tables: Any) -> RunData:
    """Return the run with some fields of its scenario's tables changed."""
    return replace(run, manifest=changed(run.manifest, **tables))


def changed(manifest: Manifest, **tables: Any) -> Manifest:
    """Return the manifest with some fields of its scenario's tables changed."""
    scenario = Scenario.model_validate(merged(manifest.scenario.canonical(), tables))
    return manifest.model_copy(update={"scenario": scenario})
