from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FEED = {"host": "127.0.0.1", "port": 4000}


@pytest.mark.process
@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"transport": "telegraph", "feed": FEED}, "transport: found 'telegraph', allowed is long_polling"),
        ({"transport": "long_polling", "implementation": "steam", "feed": FEED},
         "implementation: found 'steam', allowed is library"),
        ({"transport": "long_polling", "feed": FEED, "options": {"hold": 3}}, "options.hold: found an"),
        ({"transport": "websocket", "feed": FEED, "host": "256.0.0.1"}, "256.0.0.1"),
        ({"transport": "websocket"}, "feed: found nothing"),
    ],
)
def test_a_mistake_ends_the_process_with_a_sentence(tmp_path: Path, table: object, told: str) -> None:
    path = tmp_path / "server.json"
    path.write_text(json.dumps(table))
    command = [sys.executable, "-m", "bench.transports", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
