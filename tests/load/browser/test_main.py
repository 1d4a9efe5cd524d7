from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import lifeline
from bench.load import config
from bench.load.browser import __main__ as main


def test_without_a_runner_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(lifeline.VARIABLE, raising=False)
    monkeypatch.delenv(config.VARIABLE, raising=False)
    assert main.main() == 2
    assert config.VARIABLE in capsys.readouterr().err
    path = tmp_path / "load.json"
    path.write_text(json.dumps({"subject": "s", "transport": "websocket", "clients": 3, "clock_origin_ns": 0}))
    monkeypatch.setenv(config.VARIABLE, str(path))
    assert main.main() == 2
    assert lifeline.VARIABLE in capsys.readouterr().err
