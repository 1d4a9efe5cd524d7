"""The live page's configuration: subjects that a page can read from, and the second servers of pushes."""

from __future__ import annotations

from pathlib import Path

from bench import transports
from bench.clock import RunClock
from bench.experiment import prepare
from bench.experiment.live.config import FLUSH_MS, LiveConfig, flushed, on_page, origins, page_config
from bench.scenario.parsing import validated

OTHER_FIELDS = 'question = "?"\n[load]\nclients = [1]\n'
SUBJECTS = """
[transports.short_polling]
[transports.own]
transport = "websocket"
flush_ms = 40.0
[transports.secure]
transport = "sse"
tls = true
[transports.bulletin]
"""


def test_a_page_shows_what_it_can_read_from_and_names_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(OTHER_FIELDS + SUBJECTS)
    prepared = prepare.read(str(file))
    ports = {label: 9000 + n for n, label in enumerate(prepared.scenario.transports)}
    config = page_config(prepared, 8700, ports, {"own": 9100}, RunClock(7))
    assert [each.label for each in config.subjects] == ["short_polling", "own"] == on_page(prepared, ports)
    assert [note.split()[0] for note in config.notes] == ["secure", "bulletin"]
    assert config.subjects[0].servers[0].flush_ms is None
    assert [(each.port, each.flush_ms) for each in config.subjects[1].servers] == [(9001, 40.0), (9100, 0.0)]
    assert config.subjects[1].title == f"{transports.describe('websocket').title} (own)"
    assert validated(LiveConfig, config.model_dump(mode="json"), "page.json") == config


def test_a_push_without_a_flush_gets_a_second_server_with_one() -> None:
    prepared = prepare.read("quick")
    others = flushed(prepared, prepared.scenario.transports)
    assert others
    assert {options.flush_ms for options in others.values()} == {FLUSH_MS}
    for label, options in others.items():
        assert options.model_copy(update={"flush_ms": 0.0}) == prepared.options[label]


def test_only_a_feed_of_clients_has_rooms_to_write_to() -> None:
    def rooms(name: str) -> tuple[str, ...]:
        prepared = prepare.read(name)
        return page_config(prepared, 8700, {"websocket": 9000}, {"websocket": 9100}, RunClock(7)).rooms

    assert rooms("quick") == ()
    assert rooms("use-cases/chat") == ("AAA", "AAB", "AAC", "AAD", "AAE")


def test_both_names_of_loopback_are_the_pages_origin() -> None:
    assert origins(87) == ("http://127.0.0.1:87", "http://localhost:87")
