"""The process of the live page: it reports when it can be opened, and says why it can't."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bench.experiment.live.__main__ import main
from bench.experiment.live.config import LiveConfig
from bench.experiment.trial import commands
from bench.experiment.trial.processes import TrialProcesses
from bench.measure import host


def config(port: int) -> LiveConfig:
    return LiveConfig(port=port, clock_origin_ns=0, feed="a feed", subjects=())


@pytest.mark.process
def test_it_reports_and_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    port = host.free_port()
    with TrialProcesses(tmp_path / "logs") as trial_processes:
        page = trial_processes.start(commands.live_page(tmp_path, config(port)))
        assert trial_processes.expect(page, "ready", 60) == {"port": port}
        trial_processes.stop(page)
        assert page.status == 0


def test_a_taken_port_is_one_sentence_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = tmp_path / "page.json"
        file.write_text(config(port).model_dump_json())
        assert main(file) == 2
    said = capsys.readouterr().err
    assert f"127.0.0.1:{port}" in said
    assert said.count("\n") == 1
