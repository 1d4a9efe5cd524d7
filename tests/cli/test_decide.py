"""The verb `decide` answers in one command, asks where nothing is given, and refuses what it can't read."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest
from synthetic import Plan, make_run
from typer.testing import CliRunner

from bench.cli import app
from bench.cli.decide import numbers_of, prices_of, size_bytes, time_ms
from bench.errors import UserError
from bench.report.pages import decision as pages
from bench.simulation.decision.decision_study import DecisionStudy

pytestmark = pytest.mark.usefixtures("few_figures")

ROOT = Path(__file__).parents[2]
runner = CliRunner()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for turns along no axis, and for no frontier: that takes most of the time and is tested elsewhere."""
    names = ("turns-within_s", "turns-rate_per_s", "turns-clients", "frontier")
    monkeypatch.setattr(DecisionStudy, "table_tasks", lambda *_: {name: partial(dict, rows=[]) for name in names})


@pytest.fixture
def without_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate no worker: the figures of the closed forms are there without it."""
    monkeypatch.setattr(DecisionStudy, "tasks", lambda *_: {})


def test_the_answer_is_json_that_names_the_page(tmp_path: Path) -> None:
    found = runner.invoke(app, ["decide", "--clients", "200", "--rate", "0.5", "--within", "2s", "--rtt", "40ms",
                                "--now", "short_polling interval_s=5", "--json", "--results", str(tmp_path)])
    assert found.exit_code == 0, found.output
    answer = json.loads(found.stdout)
    assert "short polling" in {row["name"].removeprefix("take: ") for row in answer["options"]}
    assert answer["findings"][0].startswith("From short polling every 5 s to ")
    assert Path(answer["report"]).is_file()
    assert all(row["source"] for row in answer["unmeasured"])


def test_the_first_page_says_what_the_command_on_it_answers(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [(options, answer)] = re.findall(r"`tickertape (decide [^`]+)` it says:\n\n> (.+)\n", readme)
    found = runner.invoke(app, [*options.split(), "--json", "--results", str(tmp_path),
                                "--costs", str(ROOT / "results" / "reference-costs.json")])
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["findings"][0] == answer


def test_a_run_that_tells_no_memory_is_refused(tmp_path: Path) -> None:
    """With one client count nothing tells what a further client takes; the flag would do nothing."""
    run = make_run(tmp_path / "run", Plan(trials=1, clients=(2,)))
    found = runner.invoke(app, ["decide", "--clients", "200", "--rate", "1", "--within", "2s", "--rtt", "40ms",
                                "--measured", str(run), "--results", str(tmp_path / "results")])
    assert found.exit_code == 2
    assert "run: load.clients: found no memory of a further client" in " ".join(found.stderr.split())
    assert not (tmp_path / "results").exists()


@pytest.mark.usefixtures("without_engine")
def test_it_asks_where_nothing_is_given(tmp_path: Path) -> None:
    found = runner.invoke(app, ["decide", "--results", str(tmp_path)], input="150\n\n2s\n\n")
    assert found.exit_code == 0, found.output
    assert "150 clients with 1 update per second each, within 2 s, 80 ms away" in " ".join(found.output.split())


def test_the_answer_is_whole_before_the_page_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('currency = "EUR"\nworker_month = 30.0\n')
    monkeypatch.setattr(pages, "build", lambda *_: print("HERE"))   # noqa: T201
    found = runner.invoke(app, ["decide", "--clients", "200", "--rate", "0.5", "--within", "2s", "--rtt", "40ms",
                                "--prices", str(prices), "--results", str(tmp_path)])
    answer, _, after = " ".join(found.stdout.split()).partition("HERE")
    assert answer.startswith("For 200 clients with 0.5 updates per second each, within 2 s, 40 ms away: ")
    for figure in ("staleness p50", "p99", "workers", "Mbit/s down", "requests/s", "memory per client", "per month"):
        assert f" {figure} " in answer
    assert "What no number tells: - proxies and their timeouts: " in answer
    assert after.startswith(" Report: ")


@pytest.mark.parametrize(("arguments", "words"), [
    (["--within", "soon"], "--within: found 'soon'"),
    (["--rtt", "80"], "--rtt: found '80'"),
    (["--payload", "big"], "--payload: found 'big'"),
    (["--use", "pigeons"],
     "--use: found 'pigeons', allowed is one of chat, notifications, signalling, ticker, tracking"),
    (["--now", "pigeon"], "--now: found 'pigeon', allowed is one of short_polling,"),
    (["--now", "short_polling interval_s=soon"], "--now: interval_s: found 'soon', allowed is a number"),
    (["--rate", "nan"], "--rate: found nan, allowed is a finite number"),
    (["--clients", "1000000001"], "--clients: found 1000000001, allowed is a number of at most"),
    (["--make", "nobody"], "nobody"),
    (["--prices", "nowhere.toml"], "--prices: nowhere.toml: found No such file"),
])
def test_a_mistake_is_one_sentence(tmp_path: Path, arguments: list[str], words: str) -> None:
    found = runner.invoke(app, ["decide", "--clients", "10", *arguments, "--results", str(tmp_path)])
    assert found.exit_code == 2
    assert words in " ".join(found.output.split())
    assert not list(tmp_path.iterdir()), "a mistake leaves no run behind"


def test_a_rate_of_0_is_a_mistake_and_no_question(tmp_path: Path) -> None:
    found = runner.invoke(app, ["decide", "--rate", "0", "--results", str(tmp_path)])
    assert found.exit_code == 2
    assert "--rate: found 0" in " ".join(found.output.split())
    assert "How many" not in found.output


def test_questions_without_answers_end_in_one_sentence(tmp_path: Path) -> None:
    found = runner.invoke(app, ["decide", "--results", str(tmp_path)], input="150\n")
    assert found.exit_code == 2
    assert "the questions: found no answer, allowed are --clients, --rate" in " ".join(found.output.split())


def test_a_price_that_is_none_is_named_by_its_option(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text("gigabyte_oat = 0.1\n")
    found = runner.invoke(app, ["decide", "--clients", "10", "--prices", str(path), "--results", str(tmp_path)])
    assert found.exit_code == 2
    assert "--prices: gigabyte_oat: found an unknown key, allowed is gigabyte_out" in " ".join(found.output.split())


@pytest.mark.usefixtures("without_engine")
def test_a_use_case_fills_in_what_no_option_says(tmp_path: Path) -> None:
    assert numbers_of(None) == []
    assert numbers_of("chat")[0] == "decision.room_clients=20"
    assert numbers_of("signalling")[0] == "decision.room_clients=2"
    assert not any("room_clients" in each for each in numbers_of("ticker"))
    found = runner.invoke(app, ["decide", "--use", "notifications", "--clients", "150", "--within", "20s",
                                "--results", str(tmp_path)])
    assert found.exit_code == 0, found.output
    assert "150 clients with 0.0083 updates per second each, within 20 s, 80 ms away" in " ".join(found.output.split())


def test_units_are_read() -> None:
    assert [time_ms("--rtt", each) for each in ("80ms", "0.2 s", "2min")] == [80.0, 200.0, 120_000.0]
    assert [size_bytes(each) for each in ("300B", "2kB", "7")] == [300, 2000, 7]


def test_a_file_of_prices_is_settings_of_the_scenario(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('currency = "EUR"\nmillion_requests = 0.4\n')
    assert prices_of(path) == ['simulation.prices.currency="EUR"', "simulation.prices.million_requests=0.4"]
    for text, found in (("currency = ", "--prices: "), ("# nothing yet\n", "found no price")):
        path.write_text(text)
        with pytest.raises(UserError, match=found):
            prices_of(path)
