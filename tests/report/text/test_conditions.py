"""The conditions of an answer: all that another run may differ by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from manifests import changed
from simulated_runs import made
from synthetic import Made, Plan, make_run

from bench import shipped
from bench.report import RunData, open_run
from bench.report.text.conditions import _servers, conditions
from bench.scenario import model


def given(run: RunData, subjects: dict[str, dict[str, Any]] | None = None, **tables: dict[str, Any]) -> RunData:
    """Return the run with options of its subjects, and with changed tables of its scenario."""
    manifest = changed(run.manifest, **tables)
    frozen = {label: each.model_copy(update={"options": {**each.options, **(subjects or {}).get(label, {})}})
              for label, each in manifest.subjects.items()}
    host = {"cpu_model": "Imagined 3000", "cores": [0, 1]}
    return replace(run, manifest=manifest.model_copy(update={"subjects": frozen, "host": host}))


def test_all_of_them_are_named(run: RunData) -> None:
    options = {"headers": "bare", "tls": False, "compression": "none"}
    told = conditions(given(run, dict.fromkeys(run.transports, options)))
    for words in ("30 clients", "40 ticks/s of 100 B in 4 symbols", "short polling every 1 s", "bare headers", "no TLS",
                  "no compression", "over loopback", "library servers",
                  "on Imagined 3000 with 2 cores", "4 trials and ", " distinct ticks for each transport"):
        assert words in told, words


def test_what_differs_between_transports_is_told_of_each(run: RunData) -> None:
    told = conditions(given(run, {"websocket": {"tls": True}, "long_polling": {"tls": False}}))
    assert "WebSocket with TLS" in told
    assert "long polling with no TLS" in told


def test_what_a_label_says_already_is_not_repeated(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path / "run", Plan(
        trials=1, clients=(3,), subjects={"websocket": Made(), "websocket_with_heavy_headers": Made()})))
    told = conditions(given(run, {"websocket": {"headers": "bare"},
                                  "websocket_with_heavy_headers": {"headers": "heavy"}}))
    assert "WebSocket with bare headers" in told
    assert "heavy headers" not in told


def test_a_kept_window_is_told_with_its_compression(run: RunData) -> None:
    deflate = {"compression": "permessage-deflate", "context_takeover": True}
    told = conditions(given(run, {"websocket": deflate, "long_polling": {"compression": "gzip"}}))
    assert "WebSocket with permessage-deflate compression and context takeover" in told
    assert "long polling with gzip compression, " in told


@pytest.mark.parametrize(("asked", "network"), [({}, "over loopback"), ({"rtt_ms": 80.0}, "a round trip of 80 ms")])
def test_a_simulated_network_is_named(tmp_path: Path, asked: dict[str, Any], network: str) -> None:
    assert network in conditions(made(tmp_path, asked))


def test_one_of_each_is_told_in_the_singular(tmp_path: Path) -> None:
    run = given(open_run(make_run(tmp_path / "run", Plan(trials=1, clients=(1,)))))
    one = replace(run, manifest=run.manifest.model_copy(update={"host": {"cpu_model": "Imagined 3000", "cores": [0]}}))
    told = conditions(one)
    assert told.startswith("with 1 client, ")
    assert "on Imagined 3000 with 1 core, 1 trial and " in told


def test_a_replay_has_no_rate(run: RunData) -> None:
    told = conditions(given(run, feed={"schedule": "replay", "replay": {"file": "trades.csv"}}))
    assert "replayed trades of 100 B" in told
    assert "ticks/s" not in told


def test_a_simulated_run_is_on_no_host(run: RunData) -> None:
    there = given(run)
    simulated = replace(there, manifest=there.manifest.model_copy(update={"source": "simulated"}))
    assert "Imagined 3000" in conditions(there)
    assert "Imagined 3000" not in conditions(simulated)


def test_a_server_of_ones_own_is_named_beside_the_library_s() -> None:
    told = _servers(model.load(shipped.path("scenarios/claims/article.toml"))).split(", ")
    assert "long polling threads on your own server" in told
    assert "WebSocket on the library server" in told
