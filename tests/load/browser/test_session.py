"""A trial whose clients are pages: every update is accounted for, on every transport."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from bench import transports
from bench.audit.detectors import judge
from bench.browser import chromium
from bench.browser.chromium import ABSENT, PROFILE
from bench.clock import RunClock
from bench.experiment import plan, prepare
from bench.experiment.trial import trial
from bench.experiment.trial.trial import TrialSettings
from bench.load.browser.session import asking
from bench.records import trial_record
from bench.records.trial_record import COUNTED_BY_KERNEL, UNSEEN_BY_PAGES, TrialRecord
from bench.scenario.model import Scenario

OPTIONS: dict[str, dict[str, Any]] = {"short_polling": {"interval_s": 0.25}}
PAGES = 2


@pytest.mark.parametrize(("name", "polls", "may_wait", "interval_ms"), [
    ("short_polling", True, False, 250.0), ("long_polling", True, True, 0.0), ("sse", False, False, 0.0),
    ("websocket", False, False, 0.0),
])
def test_a_transports_way_of_asking_follows_from_its_options(
    name: str, polls: bool, may_wait: bool, interval_ms: float
) -> None:
    found = asking(name, transports.options_of(name, OPTIONS.get(name, {}), "?", "?"))
    assert (found.polls, found.may_wait, found.interval_ms) == (polls, may_wait, interval_ms)
    specimen = transports.part(name, "client").Client
    assert issubclass(specimen, transports.clients.Poller) == polls   # type: ignore[attr-defined]


def made(name: str, folder: Path, **tables: dict[str, Any]) -> tuple[TrialRecord, Path]:
    scenario = Scenario.model_validate({
        "question": "?", "feed": {"schedule": "constant", "rate_per_s": 40.0}, "load": {"clients": [PAGES]},
        "windows": {"warmup_s": 0.6, "measure_s": 1.5},
        "transports": {name: {"client": "browser", **OPTIONS.get(name, {})}}, **tables})
    options = plan.options_of_all(scenario, "?")
    settings = TrialSettings.on_this_machine(scenario, options, RunClock.start(), Path())
    planned = plan.trials(scenario)[0]
    return trial.make(settings, planned, folder / planned.name, attempt=1), folder / planned.name


@pytest.mark.real
@pytest.mark.process
@pytest.mark.parametrize("name", transports.own_names())
def test_every_update_is_accounted_for(name: str, tmp_path: Path) -> None:
    if chromium.found() is None:
        pytest.skip(ABSENT)
    record, folder = made(name, tmp_path, load={"clients": [PAGES], "symbols_per_client": 2})
    assert record.status == "finished", record.detail
    figures, verdict = judge(folder)
    row = figures.row
    due, delivered, late = (int(str(row[name])) for name in ("updates_due", "delivered", "late"))
    assert (row["client"], row["lost"], delivered + late) == ("browser", 0, due)
    assert due > 20
    for column in ("recorded_unexplained", "deliveries_unexplained", "lost_on_the_way", "foreign", "duplicate",
                   "client_errors", "clients_missing", "clients_vanished", "clock_step_us"):
        assert row[column] in (0, -0.0) or (column == "deliveries_unexplained" and float(str(row[column])) <= 0), column
    assert 0 < float(str(row["latency_p50_ms"])) < float(str(row["latency_max_ms"]))
    # What a page can't see is null, and the checks that need it are not assessed.
    tables = trial_record.read_tables(folder, record)
    clients = tables["clients"]
    assert tables["deliveries"].column("kernel_ns").null_count == tables["deliveries"].num_rows
    assert all(clients.column(each).null_count == PAGES for each in (*UNSEEN_BY_PAGES, *COUNTED_BY_KERNEL))
    assert "generator-lag" in verdict.not_assessed
    assert math.isnan(float(str(row["kernel_latency_p50_ms"])))
    # The browser's processes are the load's, and none is left over.
    assert record.usage["load"].rss_bytes is not None
    assert record.usage["load"].rss_bytes > 300e6
    assert record.usage["load"].cpu_ns is not None
    assert 0 < record.load["clock_error_ns"] < 20e6
    assert not (folder / "logs" / PROFILE).exists()


def test_a_run_without_a_chromium_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    file = tmp_path / "browser.toml"
    file.write_text('question = "?"\n[load]\nclients = [3]\n[transports.websocket]\nclient = "browser"\n')
    prepared = prepare.read(str(file))
    assert list(prepared.scenario.transports) == ["websocket_browser"]
    assert prepared.options["websocket_browser"].model_dump()["headers"] == "browser"
    with pytest.raises(prepare.HostError, match=r"transports.websocket_browser.client is 'browser', and there is no "
                                                 "Chromium here.*apt-get install chromium"):
        prepare.refuse_unless_startable(prepared.scenario, tmp_path, str(file))
