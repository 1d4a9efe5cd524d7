"""What a conversation carries beside its payload: the knobs that transports have in common.

    request      start line · Host · [what the protocol needs] · [what the sender adds]
                                      If-None-Match, Upgrade …    bare | browser | heavy | a list of one's own
    answer       status line · [what the protocol needs] · [what the server adds, or a list of one's own]

How heavy headers are decides what a poll costs, so a comparison has to say. `bare` is the least that
works. `browser` is what Chrome sends with a same-origin `fetch()` or a `new WebSocket()`, but for the
codings that our client can't read (br, zstd). `heavy` adds two kilobytes of cookies, as pages with a login,
analytics and a consent banner have them. A list of one's own replaces these; the lines that the protocol
needs are added to it, and where both name the same header the protocol's stands.

Known weakness: headers are HTTP/1.1's. HTTP/2 would send most of them once a connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator

from bench.scenario.fields import Table

ORIGIN = "https://ticker.example"
"""The page that a browser's WebSocket says it comes from; our servers are told to allow it."""

COOKIES_BYTES = 2000

_LINE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\x20-\x7e]+")
_OF_THE_PROTOCOL = re.compile(
    r"content-(length|encoding)|transfer-encoding|etag|if-none-match|upgrade|sec-websocket-.*", re.IGNORECASE
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
_UPGRADE = (
    "Pragma: no-cache",
    "Cache-Control: no-cache",
    _AGENT,
    f"Origin: {ORIGIN}",
    _CODINGS,
    _LANGUAGE,
)


def _header_line(line: str) -> str:
    """`line`, if it is one that a list of one's own may hold."""
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
    """Whether connections are encrypted (https, wss): TLS 1.3, with a certificate made for the trial."""
    headers: Literal["bare", "browser", "heavy"] = "bare"
    """What requests carry: the least that works, what a browser sends, or that and 2 kB of cookies."""
    request_headers: HeaderLines = None
    """Header lines ("Name: value") of each request, in place of those that `headers` stands for."""
    response_headers: HeaderLines = None
    """Header lines of each answer, in place of our server's own."""


class HttpWire(Wire):
    """Options that every polling transport has."""

    connection: Literal["keep-alive", "new"] = "keep-alive"
    """Whether a client keeps its connection, or opens a new one for each poll."""
    compression: Literal["none", "gzip", "deflate"] = "none"
    """How the server compresses its answers where that makes them smaller."""
    entity_tags: bool = True
    """Whether answers carry an entity tag, and an unchanged one is answered 304."""


def name_of(line: str) -> str:
    """The name of a header line, in lower case."""
    return line.partition(":")[0].lower()


def answer_headers(wire: Wire, own: Mapping[str, str], keeps: bool) -> dict[str, str]:
    """The headers of an answer: the list of one's own, if there is one, in place of the server's `own`.

    What the list says of the connection is left out where the server closes or changes it (not `keeps`).
    """
    if wire.response_headers is None:
        return dict(own)
    listed = dict(line.split(": ", 1) for line in wire.response_headers)
    return {name: text for name, text in listed.items() if keeps or name.lower() != "connection"}


def origins(wire: Wire) -> list[str]:
    """The browser origins that such requests come from, which a server has to allow."""
    if wire.request_headers is not None:
        return [line.split(": ", 1)[1] for line in wire.request_headers if name_of(line) == "origin"]
    return [] if wire.headers == "bare" else [ORIGIN]


def hosts(wire: Wire) -> list[str]:
    """The names that such requests call the server by, which it has to answer for."""
    listed = [line.split(": ", 1)[1] for line in wire.request_headers or () if name_of(line) == "host"]
    return [text.rpartition(":")[0] if re.search(r":\d*$", text) else text for text in listed]


def cookies() -> str:
    """A header line of `COOKIES_BYTES`: as many cookies of 90 bytes as there is room for."""
    text, number = "Cookie: ", 0
    while len(text) < COOKIES_BYTES:
        value = "".join(chr(97 + (number * 31 + at * at * 7) % 26) for at in range(88))
        text += f"c{number}={value}; "
        number += 1
    return text[:COOKIES_BYTES]


def fetch_head(wire: HttpWire, host: str) -> bytes:
    """The header lines of a poll, without a conditional and without the blank line."""
    own = ["Connection: close"] if wire.connection == "new" else []
    if wire.compression != "none" and (wire.headers == "bare" or wire.request_headers is not None):
        own.append(f"Accept-Encoding: {wire.compression}")
    return _head(wire, host, own, ("Accept: application/json",), _FETCH)


def upgrade_head(wire: Wire, host: str, offer: str | None) -> bytes:
    """The header lines of a WebSocket's upgrade but for its key; `offer` is the extension's."""
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
