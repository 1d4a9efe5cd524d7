from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UserError
from bench.load import config

LEAST: dict[str, Any] = {"subject": "s", "transport": "websocket", "clients": 3, "clock_origin_ns": 0}


def loaded(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> config.LoadConfig:
    path = folder / "load.json"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv(config.VARIABLE, str(path))
    return config.load()


def test_clients_beyond_those_configured_begin_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = {**LEAST, "symbols": [["A"], ["B", "C"]], "mode": "latest"}
    found = loaded(monkeypatch, tmp_path, json.dumps(table))
    assert found.subscription(0).symbols == {"A"}
    assert found.subscription(3).symbols == {"B", "C"}
    assert found.subscription(3).mode == "latest"
    assert loaded(monkeypatch, tmp_path, json.dumps(LEAST)).subscription(0).symbols is None


@pytest.mark.parametrize(("text", "words"), [
    ("{", "load.json"),
    (json.dumps({**LEAST, "clients": 0}), "clients: found 0"),
    (json.dumps({**LEAST, "client": 1}), "allowed is clients"),
    (json.dumps({**LEAST, "port": 0}), "port: found 0"),
])
def test_a_mistake_is_named_with_its_field(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        loaded(monkeypatch, tmp_path, text)


def test_a_file_that_is_not_utf_8_is_a_users_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "load.json"
    path.write_bytes(b'{"subject": "\xff"}')
    monkeypatch.setenv(config.VARIABLE, str(path))
    with pytest.raises(UserError, match=r"load\.json: .*utf-8"):
        config.load()


def test_a_load_without_a_file_is_told_which_variable_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(config.VARIABLE, raising=False)
    with pytest.raises(UserError, match=config.VARIABLE):
        config.load()
