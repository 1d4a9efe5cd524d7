from __future__ import annotations

import pytest

from bench.errors import ScenarioError
from bench.scenario.parsing import validated
from bench.wire.options import (
    COOKIES_BYTES,
    ORIGIN,
    HttpWire,
    Wire,
    cookies,
    fetch_head,
    hosts,
    origins,
    response_headers,
    stream_head,
    upgrade_head,
)


def names(head: bytes) -> list[str]:
    lines = head.decode().split("\r\n")
    assert lines.pop() == ""   # each line ends, and no blank line comes yet
    return [line.partition(": ")[0].lower() for line in lines]


def test_bare_is_the_least_that_works() -> None:
    assert fetch_head(HttpWire(), "h:1") == b"Host: h:1\r\nAccept: application/json\r\n"
    upgrade = names(upgrade_head(Wire(), "h:1", None))
    assert upgrade == ["host", "upgrade", "connection", "sec-websocket-version"]
    assert stream_head(Wire(), "h:1", "text/x", "none") == b"Host: h:1\r\nAccept: text/x\r\n"
    assert names(stream_head(Wire(), "h:1", "text/x", "gzip")) == ["host", "accept", "accept-encoding"]


def test_headers_grow_from_bare_to_heavy_by_two_kilobytes_of_cookies() -> None:
    bare, browser, heavy = (
        fetch_head(HttpWire(headers=weight), "h:1") for weight in ("bare", "browser", "heavy")
    )
    assert len(bare) < 100 < 300 < len(browser) < 700
    assert len(heavy) == len(browser) + COOKIES_BYTES + 2
    assert len(cookies()) == COOKIES_BYTES
    assert "cookie" in names(upgrade_head(Wire(headers="heavy"), "h:1", None))


@pytest.mark.parametrize("wire", [
    HttpWire(headers="browser"),
    HttpWire(headers="heavy", connection="new", compression="gzip"),
    HttpWire(request_headers=("Connection: keep-alive", "Accept-Encoding: br"), compression="deflate",
             connection="new"),
])
def test_no_header_stands_there_twice(wire: HttpWire) -> None:
    heads = (
        fetch_head(wire, "h:1"), upgrade_head(wire, "h:1", "permessage-deflate"),
        stream_head(wire, "h:1", "text/x", "gzip"),
    )
    for head in heads:
        assert len(set(names(head))) == len(names(head))


def test_a_list_of_ones_own_is_sent_as_it_stands() -> None:
    lines = ("Host: localhost:8080", "Keep-Alive: 300", "Connection: keep-alive")
    head = fetch_head(HttpWire(request_headers=lines, headers="heavy"), "h:1")
    assert head.decode().split("\r\n") == [*lines, ""]


@pytest.mark.parametrize(("text", "names"), [
    ("ticker.example", ["ticker.example"]), ("localhost:8080", ["localhost"]), ("[::1]:80", ["[::1]"]),
])
def test_a_host_of_ones_own_is_one_that_the_server_answers_for(text: str, names: list[str]) -> None:
    assert hosts(HttpWire(request_headers=(f"Host: {text}", "Accept: */*"))) == names
    assert hosts(HttpWire(headers="browser")) == []


def test_the_protocol_has_the_last_word() -> None:
    wire = HttpWire(request_headers=("Connection: keep-alive",), connection="new", compression="gzip")
    head = fetch_head(wire, "h:1").decode()
    assert "Connection: close\r\n" in head
    assert "Accept-Encoding: gzip\r\n" in head
    assert "keep-alive" not in head


@pytest.mark.parametrize("line", [
    "no colon", "Content-Length: 21", "Sec-WebSocket-Key: x", "Last-Event-ID: a:1",
    "X: a\r\nY: b", "X:no space", "X: é",
])
def test_a_line_that_is_none_or_not_the_users_to_set_is_refused(line: str) -> None:
    with pytest.raises(ScenarioError, match="request_headers"):
        validated(HttpWire, {"request_headers": [line]}, "x.toml")


def test_a_header_twice_is_refused() -> None:
    with pytest.raises(ScenarioError, match="once"):
        validated(HttpWire, {"response_headers": ["A: 1", "a: 2"]}, "x.toml")


def test_responses_carry_the_list_in_place_of_the_servers_own() -> None:
    own = {"Server": "tickertape"}
    assert response_headers(Wire(), own, keeps=True) == own
    wire = Wire(response_headers=("Server: Sun", "Connection: keep-alive"))
    assert response_headers(wire, own, keeps=True) == {"Server": "Sun", "Connection": "keep-alive"}
    assert response_headers(wire, own, keeps=False) == {"Server": "Sun"}


def test_servers_are_told_where_requests_come_from() -> None:
    assert origins(Wire()) == []
    assert origins(Wire(headers="browser")) == [ORIGIN]
    own = Wire(headers="browser", request_headers=("Origin: https://a.example",))
    assert origins(own) == ["https://a.example"]
