"""The options of a conversation apart from its payload, which transports have in common.

    request      start line · Host · [required by the protocol] · [added by the sender]
                                      If-None-Match, Upgrade …    bare | browser | heavy | an own list
    response     status line · [required by the protocol] · [added by the server, or an own list]

The size of the headers decides the cost of a poll, so a comparison has to state it. `bare` is the minimum
that works. `browser` is what Chrome sends with a same-origin `fetch()`, `new EventSource()` or `new WebSocket()`,
except for the codings that our client can't read (br, zstd). `heavy` adds two kilobytes of cookies, like pages with a
login, analytics and a consent banner. An own list in the scenario replaces these. The lines that the
protocol needs are added to it, and if both name the same header, the protocol's line is used.

Known weakness: headers are those of HTTP/1.1. HTTP/2 would send most of them only once per connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator

from bench.scenario.fields import NotNegative, Table

ORIGIN = "https://ticker.example"
"""The page that a browser's WebSocket names as its origin; our servers are configured to allow it."""

COOKIES_BYTES = 2000

_LINE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\x20-\x7e]+")
_OF_THE_PROTOCOL = re.compile(
    r"content-(length|encoding)|transfer-encoding|etag|if-none-match|last-event-id|upgrade|sec-websocket-.*",
    re.IGNORECASE,
)

_AGENT = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
_CODINGS = "Accept-Encoding: gzip, deflate"
_LANGUAGE = "Accept-Language: en-GB,en-US;q=0.9,en;q=0.8"
_FETCH = (
    "Connection: keep-alive",
    'sec-ch-ua-platform: "Linux"',
    _AGENT,
    'sec-ch-ua: "Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
    "sec-ch-ua-mobile: ?0",
    "Accept: */*",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: cors",
    "Sec-Fetch-Dest: empty",
    f"Referer: {ORIGIN}/",
    _CODINGS,
    _LANGUAGE,
)
_STREAM = (*(line for line in _FETCH if not line.startswith("Accept:")), "Cache-Control: no-cache")
_UPGRADE = (
    "Pragma: no-cache",
    "Cache-Control: no-cache",
    _AGENT,
    f"Origin: {ORIGIN}",
    _CODINGS,
    _LANGUAGE,
)


def _header_line(line: str) -> str:
    """Return `line` if it is allowed in a scenario's own list. Raises `ValueError` if it is not."""
    if not _LINE.fullmatch(line):
        raise ValueError('a header line that reads "Name: value", in ASCII')
    if _OF_THE_PROTOCOL.fullmatch(name_of(line)):
        raise ValueError(f"a header other than {name_of(line)}, which the protocol sets as it needs it")
    return line


def _each_once(lines: tuple[str, ...] | None) -> tuple[str, ...] | None:
    names = [name_of(line) for line in lines or ()]
    if len(set(names)) < len(names):
        raise ValueError("each header once")
    return lines


HeaderLine = Annotated[str, AfterValidator(_header_line)]
HeaderLines = Annotated[tuple[HeaderLine, ...] | None, AfterValidator(_each_once)]


class Wire(Table):
    """Options that every transport has."""

    tls: bool = False
    """If true, connections are encrypted (https, wss): TLS 1.3, with a certificate made for the trial."""
    headers: Literal["bare", "browser", "heavy"] = "bare"
    """The headers of requests: the minimum that works, those of a browser, or those and 2 kB of cookies."""
    request_headers: HeaderLines = None
    """Header lines ("Name: value") of each request, in place of those that `headers` selects."""
    response_headers: HeaderLines = None
    """Header lines of each response, in place of our server's own."""


class HttpWire(Wire):
    """Options that every polling transport has."""

    connection: Literal["keep-alive", "new"] = "keep-alive"
    """`keep-alive`: a client keeps its connection. `new`: it opens a new one for each poll."""
    compression: Literal["none", "gzip", "deflate"] = "none"
    """The coding with which the server compresses its responses where that makes them smaller."""
    entity_tags: bool = True
    """If true, responses carry an entity tag, and an unchanged one is answered with 304."""


class PushWire(Wire):
    """Options that every pushing transport has."""

    flush_ms: NotNegative = 0.0
    """The server sends to its clients every `flush_ms`, in one batch, what has come since the last time; 0: it
    sends each tick at once."""


def name_of(line: str) -> str:
    """Return the name of a header line, in lower case."""
    return line.partition(":")[0].lower()


def response_headers(wire: Wire, own: Mapping[str, str], keeps: bool) -> dict[str, str]:
    """Return the headers of a response: the scenario's own list, if there is one, in place of the server's
    `own`.

    The list's `Connection` line is left out where the server closes or changes the connection (not
    `keeps`).
    """
    if wire.response_headers is None:
        return dict(own)
    listed = dict(line.split(": ", 1) for line in wire.response_headers)
    return {name: text for name, text in listed.items() if keeps or name.lower() != "connection"}


def origins(wire: Wire) -> list[str]:
    """Return the browser origins that such requests name, which a server has to allow."""
    if wire.request_headers is not None:
        return [line.split(": ", 1)[1] for line in wire.request_headers if name_of(line) == "origin"]
    return [] if wire.headers == "bare" else [ORIGIN]


def hosts(wire: Wire) -> list[str]:
    """Return the names by which such requests address the server, which it has to answer for."""
    listed = [line.split(": ", 1)[1] for line in wire.request_headers or () if name_of(line) == "host"]
    return [text.rpartition(":")[0] if re.search(r":\d*$", text) else text for text in listed]


def cookies() -> str:
    """Return a header line of `COOKIES_BYTES` bytes: cookies of about 90 bytes, of which the last is cut."""
    text, number = "Cookie: ", 0
    while len(text) < COOKIES_BYTES:
        value = "".join(chr(97 + (number * 31 + at * at * 7) % 26) for at in range(88))
        text += f"c{number}={value}; "
        number += 1
    return text[:COOKIES_BYTES]


def fetch_head(wire: HttpWire, host: str) -> bytes:
    """Return the header lines of a poll, without a conditional and without the blank line."""
    own = ["Connection: close"] if wire.connection == "new" else []
    if wire.compression != "none" and (wire.headers == "bare" or wire.request_headers is not None):
        own.append(f"Accept-Encoding: {wire.compression}")
    return _head(wire, host, own, ("Accept: application/json",), _FETCH)


def message_head(wire: Wire, host: str) -> bytes:
    """Return the header lines of a message that is sent by POST, without those of its body and the blank line."""
    return _head(wire, host, [], ("Accept: application/json",), (*_FETCH, f"Origin: {ORIGIN}"))


def stream_head(wire: Wire, host: str, accept: str, coding: str) -> bytes:
    """Return the header lines of a request for a stream of the type `accept`, without its blank line.

    `coding` is the compression that is asked for, or `none`.
    """
    own = [f"Accept: {accept}"]
    if coding != "none" and (wire.headers == "bare" or wire.request_headers is not None):
        own.append(f"Accept-Encoding: {coding}")
    return _head(wire, host, own, (), _STREAM)


def upgrade_head(wire: Wire, host: str, offer: str | None) -> bytes:
    """Return the header lines of a WebSocket's upgrade except its key; `offer` is the extension's line."""
    own = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    if offer is not None:
        own.append(f"Sec-WebSocket-Extensions: {offer}")
    return _head(wire, host, own, (), _UPGRADE)


def _head(wire: Wire, host: str, own: Sequence[str], bare: Sequence[str], browser: Sequence[str]) -> bytes:
    added = list(bare if wire.headers == "bare" else browser)
    if wire.headers == "heavy":
        added.append(cookies())
    if wire.request_headers is not None:
        added = list(wire.request_headers)
    names = {name_of(line) for line in own}
    first = [] if any(name_of(line) == "host" for line in added) else [f"Host: {host}"]
    lines = [*first, *own, *(line for line in added if name_of(line) not in names)]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
