"""Locust itself reads the file; what it then does in a trial is tested in `test_session`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.experiment import programs

pytestmark = pytest.mark.process


def locust_lists(folder: Path, config: dict[str, Any] | None) -> subprocess.CompletedProcess[str]:
    """What `locust --list` makes of the file with this configuration."""
    environment = {key: value for key, value in os.environ.items() if key != programs.LOAD_VARIABLE}
    if config is not None:
        path = folder / "load.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        environment[programs.LOAD_VARIABLE] = str(path)
    return subprocess.run(
        [sys.executable, "-P", "-m", "locust", "-f", str(programs.LOCUSTFILE), "--list"],
        env=environment, capture_output=True, text=True, timeout=60,
    )


@pytest.mark.parametrize(("transport", "name"), [
    ("long_polling", "LongPollingUser"),
    ("short_polling", "ShortPollingUser"),
    ("websocket", "WebsocketUser"),
])
def test_the_configuration_picks_the_one_user_class(tmp_path: Path, transport: str, name: str) -> None:
    listed = locust_lists(tmp_path, {
        "subject": "s", "transport": transport, "clients": 1, "clock_origin_ns": 0, "port": 1,
    })
    assert listed.returncode == 0, listed.stderr
    assert [word for word in (listed.stdout + listed.stderr).split() if word.endswith("User")] == [name]


def test_without_a_configuration_it_says_what_is_missing(tmp_path: Path) -> None:
    listed = locust_lists(tmp_path, None)
    assert listed.returncode != 0
    assert programs.LOAD_VARIABLE in listed.stderr
    assert "Traceback" not in listed.stderr
