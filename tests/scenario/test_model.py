"""Scenarios: read, overridden, refused with a sentence that helps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.errors import ScenarioError
from bench.scenario.model import Scenario, load

QUICK = Path(__file__).parents[2] / "scenarios" / "quick.toml"
MINIMAL = 'question = "How fast?"\n[transports.websocket]\n'


@pytest.fixture
def write(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(text: str) -> Path:
        path = tmp_path / "s.toml"
        path.write_text(text)
        return path

    return write


def test_defaults_fill_a_minimal_file(write) -> None:  # type: ignore[no-untyped-def]
    scenario = load(write(MINIMAL))
    assert scenario.feed.schedule == "poisson"
    assert scenario.transports["websocket"].transport == "websocket"


def test_a_label_may_stand_for_another_transport(write) -> None:  # type: ignore[no-untyped-def]
    text = 'question = "?"\n[transports.fast]\ntransport = "short_polling"\ninterval_s = 0.1\n'
    subject = load(write(text)).transports["fast"]
    assert subject.transport == "short_polling"
    assert subject.options == {"interval_s": 0.1}


@pytest.mark.parametrize(
    ("text", "field", "allowed"),
    [
        ("[load]\nclint = [1]\n", "load.clint", "clients"),
        ("[load]\nclients = [0]\n", "load.clients.0", "a number of at least 1"),
        ("[feed]\nrate_per_s = -1\n", "feed.rate_per_s", "a number above 0"),
        ("[feed]\nrate_per_s = inf\n", "feed.rate_per_s", "finite"),
        ("[feed]\nschedule = 'replay'\n", "feed.replay.file", "pass --feed FILE"),
        ("[feed]\nschedule = 'random'\n", "feed.schedule", "'constant'"),
        ("[server.slow_client]\npolicy = 'drop'\n", "server.slow_client.policy", "drop-oldest"),
        ("[windws]\n", "windws", "windows"),
        ("[load]\nclients = [true]\n", "load.clients.0", "a whole number"),
        ("[feed]\nrate_per_s = true\n", "feed.rate_per_s", "a number"),
        ("[windows]\nmeasure_s = 1e9\n", "windows.measure_s", "a number of at most 86400"),
        ("[trials]\ncount = 100000000\n", "trials.count", "a number of at most 10000"),
    ],
)
def test_a_mistake_names_the_field_and_what_is_allowed(write, text: str, field: str, allowed: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ScenarioError) as caught:
        load(write(MINIMAL + text))
    assert caught.value.field == field
    assert allowed in str(caught.value)
    assert "s.toml" in str(caught.value)


def test_a_missing_question_and_a_broken_file_are_told(write) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ScenarioError, match="question: found nothing"):
        load(write("[transports.websocket]\n"))
    with pytest.raises(ScenarioError, match="TOML"):
        load(write("question = \n"))
    with pytest.raises(ScenarioError, match="no such file"):
        load(Path("nowhere.toml"))
    with pytest.raises(ScenarioError, match="name too long"):
        load(Path("x" * 5000 + ".toml"))
    with pytest.raises(ScenarioError, match="found brackets within brackets, too deep to be read"):
        load(write(f"question = {'[' * 5000}{']' * 5000}\n"))
    with pytest.raises(ScenarioError, match="found a whole number with too many digits"):
        load(write(f"seed = {'1' * 5000}\n"))


def test_a_byte_order_mark_is_no_part_of_the_file(write) -> None:  # type: ignore[no-untyped-def]
    assert load(write("\ufeff" + MINIMAL)) == load(write(MINIMAL))


def test_overrides_are_read_as_toml_or_as_a_word(write) -> None:  # type: ignore[no-untyped-def]
    overrides = ["load.clients=[50,200]", "load.mode=latest", "feed.bursty.decay_s = 2.5"]
    scenario = load(write(MINIMAL), overrides)
    assert scenario.load.clients == (50, 200)
    assert scenario.load.mode == "latest"
    assert scenario.feed.bursty.decay_s == 2.5


@pytest.mark.parametrize("override", [
    "load.clients", "=3", "question.deep=1", "load.clint=3", "feed.rate_per_s=1\nfoo=2", f"seed={'1' * 5000}",
    f"seed={'[' * 5000}"])
def test_a_wrong_override_is_told(write, override: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ScenarioError, match="--set"):
        load(write(MINIMAL), [override])


def test_the_digest_tells_scenarios_apart(write) -> None:  # type: ignore[no-untyped-def]
    one, same, other = load(write(MINIMAL)), load(write(MINIMAL)), load(write(MINIMAL), ["seed=2"])
    assert one.digest() == same.digest() != other.digest()


def test_what_a_plan_freezes_can_be_read_again(write) -> None:  # type: ignore[no-untyped-def]
    text = MINIMAL + "[transports.theirs]\ntransport='websocket'\nping_interval_s=5\n" \
        "server={command=['node','x.js','{port}'],ready='http://127.0.0.1:{port}/health'}\n"
    scenario = load(write(text))
    assert Scenario.model_validate(scenario.canonical()) == scenario


def test_a_subject_names_its_server_by_a_word_or_brings_its_own(write) -> None:  # type: ignore[no-untyped-def]
    text = MINIMAL + "[transports.b]\nserver='bare'\n[transports.own]\n" \
        "server={command=['x','{port}'],ready='http://127.0.0.1:{port}/health'}\n"
    subjects = load(write(text)).transports
    assert [each.implementation for each in subjects.values()] == ["library", "bare", "own"]
    assert [each.external is None for each in subjects.values()] == [True, True, False]


def test_a_run_from_before_there_was_a_choice_of_servers_has_the_default(write) -> None:  # type: ignore[no-untyped-def]
    scenario = load(write(MINIMAL))
    older = scenario.canonical()
    for subject in older["transports"].values():
        subject["server"] = None
    assert Scenario.model_validate(older) == scenario


@pytest.mark.parametrize(("overrides", "blocks"), [
    ([], 3), (["trials.until=p99 ± 10 %"], 30), (["trials.until=p99 +- 10 %", "trials.count_max=7"], 7),
    (["trials.until=p99 +- 10 %", "trials.count=40"], 40),
])
def test_as_many_blocks_are_planned_as_there_may_be(overrides: list[str], blocks: int) -> None:
    loaded = load(QUICK, overrides)
    assert loaded.trials.blocks == blocks
    assert (loaded.trials.rule is None) == (overrides == [])


@pytest.mark.parametrize(("overrides", "sentence"), [
    (["trials.until=p98 +- 10 %"], r"trials\.until: found 'p98 \+- 10 %', allowed is a value among"),
    (["trials.until=soon"], r"trials\.until: found 'soon', allowed is a value and a share, such as"),
    (["trials.count_max=7"], r"allowed is trials\.count_max only together with trials\.until"),
    (["trials.until=p99+-1%", "trials.count_max=2"], r"count_max: found 2, allowed is at least trials.count"),
])
def test_a_rule_that_cannot_end_a_run_is_refused(overrides: list[str], sentence: str) -> None:
    with pytest.raises(ScenarioError, match=sentence):
        load(QUICK, overrides)


def test_an_empty_question_and_a_folder_are_refused(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ScenarioError, match="question: found ' ', allowed is a text that is not empty"):
        load(write('question = " "\n[transports.websocket]\n'))
    with pytest.raises(ScenarioError, match="the file: found is a directory"):
        load(tmp_path)


@pytest.mark.parametrize(("field", "value", "allowed"), [
    ("ready", "foo", "an http address such as http://127.0.0.1:{port}/health"),
    ("ready", "http://", "an http address"), ("ready", "ftp://127.0.0.1:{port}/", "an http address"),
    ("ready", "http://127.0.0.1:{prot}/", "{port} and {feed_port} in braces, and not {prot}"),
    ("ready", "http://127.0.0.1:port/", "an http address"),
    ("command", ["node", "{prot}"], "{port} and {feed_port} in braces, and not {prot}"),
])
def test_a_server_of_ones_own_that_cannot_be_asked_is_refused(
    write, field: str, value: object, allowed: str  # type: ignore[no-untyped-def]
) -> None:
    server = {"command": ["node", "${home}", '{"a": {port}}'], "ready": "http://127.0.0.1:{port}/"}
    written = "\n".join(f"{name} = {json.dumps(given)}" for name, given in (server | {field: value}).items())
    with pytest.raises(ScenarioError) as caught:
        load(write(f"{MINIMAL}[transports.websocket.server]\n{written}\n"))
    assert caught.value.field == f"transports.websocket.server.{field}"
    assert allowed in str(caught.value)
