"""Commands of our own programs: the configuration that is written is the one that the program takes."""

from __future__ import annotations

import json
from pathlib import Path

from bench.experiment.trial import commands
from bench.feed import publisher
from bench.scenario.model import Feed, Server
from bench.serving import config as server_config
from bench.transports.short_polling.protocol import Options


def test_the_publisher_takes_its_configuration(tmp_path: Path) -> None:
    command = commands.publisher(
        tmp_path, Feed(symbols=3), seed=1, horizon_s=2.0, t0_s=1.0, clock_origin_ns=5, port=7, warmup_ns=9,
    )
    config = publisher.PublisherConfig.model_validate_json(Path(command.arguments[-1]).read_bytes())
    assert (config.feed.symbols, config.port, config.warmup_ns, config.folder) == (3, 7, 9, tmp_path)
    assert command.name == "publisher"


def test_a_server_takes_its_configuration(tmp_path: Path) -> None:
    options = Options(interval_s=0.25, request_headers=("Host: ticker.example:80", "Origin: https://a.example"))
    command = commands.server(
        tmp_path, "short_polling", options, Server(batch_max=9), feed_port=7, name="mine", port=8,
        allowed=["https://b.example"],
    )
    config = server_config.load(Path(command.arguments[-1]))
    assert config.transport == "short_polling"
    assert (config.options["interval_s"], config.server.batch_max) == (0.25, 9)
    assert (config.feed.port, config.port, config.host) == (7, 8, "127.0.0.1")
    assert (config.hosts, config.origins) == ({"ticker.example"}, {"https://a.example", "https://b.example"})
    assert Path(command.arguments[-1]).name == "mine.json"


def test_the_load_is_told_by_its_environment_and_never_imported(tmp_path: Path) -> None:
    config = {"clients": 12, "spawn_rate_per_s": 500.0}
    command = commands.load(tmp_path, config)
    assert json.loads(Path(command.environment["TICKERTAPE_LOAD"]).read_text()) == config
    assert commands.LOCUSTFILE.is_file()
    assert command.arguments[command.arguments.index("--users") + 1] == "12"
    assert command.lifeline


def test_the_load_of_a_browser_is_a_program_of_its_own(tmp_path: Path) -> None:
    config = {"clients": 2, "spawn_rate_per_s": 500.0, "page_port": 7}
    command = commands.browser_load(tmp_path, config, cores=frozenset({1}))
    assert json.loads(Path(command.environment["TICKERTAPE_LOAD"]).read_text()) == config
    assert command.arguments[-1] == "bench.load.browser"
    assert (command.name, command.lifeline, command.cores) == ("load", True, {1})


def test_the_web_interface_is_nobodys_trial(tmp_path: Path) -> None:
    command = commands.web_load(tmp_path, "locust-x", {"clients": 1}, 8801)
    assert not command.lifeline
    assert "--headless" not in command.arguments
    assert command.arguments[-1] == "8801"


def test_nothing_in_the_current_folder_is_imported_instead(tmp_path: Path) -> None:
    for command in (commands.load(tmp_path, {"clients": 1, "spawn_rate_per_s": 1}), commands.browser_load(tmp_path, {}),
                    commands.web_load(tmp_path, "x", {}, 1)):
        assert "-P" in command.arguments
