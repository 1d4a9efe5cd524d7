from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.errors import ScenarioError
from bench.serving import config

FEED = {"host": "127.0.0.1", "port": 4000}


def load(folder: Path, table: object) -> config.ServerConfig:
    path = folder / "server.json"
    path.write_text(json.dumps(table))
    return config.load(path)


def test_only_transport_and_feed_are_required_and_the_rest_is_cautious(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"transport": "websocket", "feed": FEED})
    assert (loaded.host, loaded.port, loaded.origins) == ("127.0.0.1", 0, frozenset())


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ({"transport": "websocket"}, "feed"),
        ({"transport": "websocket", "feed": {"port": 70000}}, "feed.port"),
        ({"transport": "websocket", "feed": FEED, "hots": "0.0.0.0"}, "hots"),
        ({"transport": "websocket", "feed": FEED, "limits": {"head_s": 0}}, "limits.head_s"),
        ({"transport": "websocket", "feed": FEED, "server": {"tape_ticks": 0}}, "server.tape_ticks"),
    ],
)
def test_a_mistake_is_told_with_file_and_field(tmp_path: Path, table: object, field: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path, table)
    assert caught.value.field == field
    assert str(tmp_path) in str(caught.value)


def test_a_file_that_is_missing_or_no_json_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"server\.json"):
        config.load(tmp_path / "server.json")
    (tmp_path / "server.json").write_text("{")
    with pytest.raises(ScenarioError, match=r"server\.json"):
        config.load(tmp_path / "server.json")
