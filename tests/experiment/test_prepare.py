"""Finding, reading and checking what the user named."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from bench import transports
from bench.errors import ScenarioError
from bench.experiment import plan, prepare, requirements
from bench.experiment.plan import trials
from bench.experiment.run_folder import PROJECT
from bench.transports.short_polling.protocol import Options as ShortPolling

TINY = """
question = "?"
[transports.a]
transport = "short_polling"
interval_s = 0.5
[transports.websocket]
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "scenarios").glob("**/*.toml")), ids=lambda path: path.stem)
def test_every_scenario_that_comes_with_the_project_goes_together(path: Path) -> None:
    given = ["feed.replay.file=trades.csv"] if 'schedule = "replay"' in path.read_text() else []
    prepared = prepare.read(str(path), given)
    assert plan.warmup_s(prepared.scenario, prepared.options) >= plan.warmup_least_s(
        prepared.scenario, prepared.options)


@pytest.mark.parametrize("name", ["default", "quick"])
def test_the_projects_own_scenarios_are_found_from_anywhere_and_hold(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepared = prepare.read(name)
    assert prepared.name == name
    assert {planned.transport for planned in trials(prepared.scenario)} == set(transports.own_names())
    assert prepared.scenario.trials.count >= 3


def test_a_scenario_of_the_current_folder_comes_first(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scenarios").mkdir()
    tiny.rename(tmp_path / "scenarios" / "quick.toml")
    monkeypatch.chdir(tmp_path)
    assert prepare.read("quick").scenario.question == "?"


def test_a_path_is_taken_as_it_is(tiny: Path) -> None:
    prepared = prepare.read(str(tiny))
    assert (prepared.name, prepared.file) == ("tiny", tiny)
    assert prepared.options["a"] == ShortPolling(interval_s=0.5)


def test_a_name_may_have_a_folder_in_it() -> None:
    prepared = prepare.read("claims/lubbers-greco-2010")
    assert prepared.name == "lubbers-greco-2010"
    assert prepared.file.is_file()
    assert prepared.scenario.claims


def test_a_claim_that_cannot_be_computed_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    text = prepare.find("claims/rfc-6202").read_text()
    file.write_text(text.replace('formula = "ratio"', 'formula = "odds"'))
    with pytest.raises(ScenarioError, match=r"claims\.mean-in-transits\.formula: found 'odds'"):
        prepare.read(str(file))


@pytest.mark.parametrize(("name", "sentence"), [
    ("nosuch", "nosuch: found no such scenario, allowed is a name that `tickertape scenarios` lists, or the path"),
    ("quik", "quik: found no such scenario, allowed is quick "),
    ("use-cases", "use-cases: found a folder, allowed is one of use-cases/chat, "),
])
def test_an_unknown_name_is_told_what_there_is(name: str, sentence: str) -> None:
    with pytest.raises(ScenarioError, match=sentence):
        prepare.read(name)


@pytest.mark.parametrize(("override", "sentence"), [
    ("transports.a.intervall_s=1", "transports.a.intervall_s: found an unknown key.*interval_s"),
    ("transports.b.interval_s=1", "transports.b.transport: found 'b', allowed is long_polling"),
    ("transports.a.server=steam", "transports.a.server: found 'steam', allowed is library"),
    ("transports.a.server=3", "transports.a.server: found 3, allowed is a text or a table"),
    ("transports.a.server={command=['x']}", "transports.a.server.ready: found nothing"),
    ("load.symbols_per_client=99", "load.symbols_per_client: found 99"),
    ("load.clients=[0]", "load.clients"),
])
def test_mistakes_name_the_file_and_the_field(tiny: Path, override: str, sentence: str) -> None:
    with pytest.raises(ScenarioError, match=sentence) as mistake:
        prepare.read(str(tiny), [override])
    assert str(tiny) in str(mistake.value)


@pytest.mark.parametrize(("command", "there"), [
    ("sh", True), ("no-such-program", False), ("./mine", True), ("./text", False), ("/no/such/server", False),
])
def test_a_server_of_ones_own_is_looked_for_before_a_run(tmp_path: Path, command: str, there: bool) -> None:
    (tmp_path / "text").write_text("no program")
    (tmp_path / "mine").touch(mode=0o755)
    scenario = tmp_path / "own.toml"
    scenario.write_text(TINY + f"""
[transports.a.server]
command = ["{command}", "{{port}}"]
ready = "http://127.0.0.1:{{port}}/health"
""")
    prepared = prepare.read(str(scenario))
    if there:
        prepare.refuse_unless_fits(prepared, tmp_path / "results")
        return
    sentence = f"transports.a.server.command: found '{command}', and no such program, allowed is"
    with pytest.raises(ScenarioError, match=re.escape(f"{scenario}: {sentence}")):
        prepare.refuse_unless_fits(prepared, tmp_path / "results")


def test_a_feed_file_counts_from_the_current_folder(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    feed = prepare.read(str(tiny), ["feed.replay.speed=7"], Path("trades.csv")).scenario.feed
    assert (feed.schedule, feed.replay.file, feed.replay.speed) == (
        "replay", str(elsewhere / "trades.csv"), 7,
    )


TRADES = "t,symbol,price,size\n" + "".join(f"{1704067200 + at},A,1,{at}\n" for at in range(90))


@pytest.mark.parametrize("through_a_pipe", [False, True])
def test_a_file_of_trades_is_read_once_and_what_a_trial_needs_is_kept(
    tiny: Path, tmp_path: Path, through_a_pipe: bool
) -> None:
    path = tmp_path / "trades.csv"
    if through_a_pipe:
        os.mkfifo(path)
        writer = threading.Thread(target=path.write_text, args=(TRADES,))
        writer.start()
    else:
        path.write_text(TRADES)
    asked = ["feed.replay.start=1704067250", "feed.replay.columns=timestamp=t"]
    prepared = prepare.with_trades(prepare.read(str(tiny), asked, path))
    if through_a_pipe:
        writer.join()
    assert prepared.trades is not None
    assert prepared.trades.rows == 90
    # One tick before warm-up; warm-up 1 s, measuring 3 s and twice ℓ = 1 s.
    assert prepared.trades.size.tolist() == [48, 49, 50, 51, 52, 53, 54]
    assert prepare.with_trades(prepared) is prepared
    needed = prepare.refuse_unless_fits(prepared, tmp_path)
    assert needed.memory_bytes > requirements.BASE_BYTES


def test_a_pipe_of_the_shells_keeps_its_name(tiny: Path) -> None:
    """A file that it stands for has no name that could be opened."""
    read_end, write_end = os.pipe()
    try:
        file = prepare.read(str(tiny), feed=Path(f"/dev/fd/{read_end}")).scenario.feed.replay.file
        assert Path(file).is_fifo()
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_replayed_file_of_the_scenario_counts_from_the_scenario(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    tiny.write_text(TINY + '[feed]\nschedule = "replay"\nreplay.file = "data/trades.csv"\n')
    assert prepare.read(str(tiny)).scenario.feed.replay.file == str(tmp_path / "data/trades.csv")


def test_messages_of_clients_are_for_runs_of_trials() -> None:
    with pytest.raises(ScenarioError, match=r"feed\.source: found 'clients', allowed is 'publisher' to serve"):
        prepare.refuse_messages(prepare.read("use-cases/chat"), "serve")
    prepare.refuse_messages(prepare.read("quick"), "serve")
