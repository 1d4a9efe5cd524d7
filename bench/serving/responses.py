"""Responses to polls: a batch encoded once for all who ask the same, and its entity tag.

The entity tag of a response is the cursor that it leads to, in quotes. An empty response to a request
after the cursor C is tagged with C itself: it leaves the client where it was, and C's tag is the one
that the client can name. So

    GET /ticks?after=C   If-None-Match: "C"

is answered with 304 as long as nothing new has come for the subscription, even while the head moves on
by ticks of other symbols. Once there is news, the response is 200 with the news, under another tag.

A compressed response is also compressed once for all who ask the same, and only if that makes it smaller.
A server that compresses uses weak tags (`W/"…"`), since one tag then covers two encodings.

`head` is the head that aiohttp writes for a response's header fields, so that its size is known without a
server. A server that writes its heads itself writes the same ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Literal

from bench.serving.admission import page_fields
from bench.wire.contract import Batch, Request, encode_batch
from bench.wire.options import HttpWire, Wire, origins, response_headers

BODILESS = {"Cache-Control": "no-cache", "Server": "tickertape"}
HEADERS = {"Content-Type": "application/json", **BODILESS}
REASONS = {int(status): status.phrase for status in HTTPStatus}
DATE = "Sun, 22 Nov 2026 12:00:00 GMT"
"""A date as long as any other, where only the size matters."""


@dataclass(frozen=True, slots=True)
class BatchResponse:
    """A batch with its encoded body and its entity tag."""

    batch: Batch
    body: bytes
    tag: str


def response_of(request: Request, batch: Batch) -> BatchResponse:
    """Return the response to `request` that hands over `batch`."""
    stays = request.after is not None and not batch.ticks
    cursor = request.after if stays else batch.cursor
    return BatchResponse(batch, encode_batch(batch), f'"{cursor}"')


def tag_fields(wire: HttpWire, tag: str) -> dict[str, str]:
    """Return the header field of a response's entity tag; nothing if the options have none."""
    if not wire.entity_tags:
        return {}
    return {"ETag": tag if wire.compression == "none" else f"W/{tag}"}


def coding_fields(wire: HttpWire, coded: bool) -> dict[str, str]:
    """Return the header fields that compression needs; `coded`: this response is compressed.

    A 304 has the `Vary` of the response that it stands for (RFC 9110 §15.4.5).
    """
    if wire.compression == "none":
        return {}
    return {"Vary": "Accept-Encoding"} | ({"Content-Encoding": wire.compression} if coded else {})


class Representer:
    """Chooses how a response is sent: in full, compressed, or as 304."""

    def __init__(self, wire: HttpWire) -> None:
        self.wire = wire
        keeps = wire.connection == "keep-alive"
        self._headers = response_headers(wire, HEADERS, keeps)
        self._bodiless = response_headers(wire, BODILESS, keeps)

    def represent(
        self, response: BatchResponse, if_none_match: str | None, accept_encoding: str | None
    ) -> tuple[int, dict[str, str], bytes]:
        """Return the status, header fields and body of a response.

        The last two arguments are the request's headers of these names.
        """
        wire, pressed = self.wire, None
        tag = tag_fields(wire, response.tag)
        if tag and matches(if_none_match, response.tag):
            return 304, self._bodiless | tag | coding_fields(wire, False), b""
        if wire.compression != "none" and accepts(accept_encoding, wire.compression):
            pressed = compressed(response.body, wire.compression)
        body = response.body if pressed is None else pressed
        return 200, self._headers | tag | coding_fields(wire, pressed is not None), body


def head(wire: HttpWire, status: int, length: int, tag: str, coded: bool = False) -> bytes:
    """Return the head of a response to such a poll as aiohttp writes it, from status line to blank line.

    Of our polls, only those with their own list of header lines may name an origin.
    """
    keeps, unchanged = wire.connection == "keep-alive", status == 304
    fields = response_headers(wire, BODILESS if unchanged else HEADERS, keeps) | tag_fields(wire, tag)
    fields |= coding_fields(wire, coded and not unchanged)
    asked_from = origins(wire) if wire.request_headers is not None else []
    if asked_from:
        fields |= page_fields(asked_from[0], fields.get("Vary"), "ETag" in fields)
    return encode_head(status, fields, None if unchanged else length, keeps)


def encode_head(
    status: int, fields: Mapping[str, str], length: int | None, keeps: bool = True, date: str = DATE
) -> bytes:
    """Return a response's head, from status line to blank line, with what aiohttp adds where it is not there.

    That is the length of the body and its type, the date, the server and, if the connection is closed after
    the response (not `keeps`), a field for that. `length` None: the response has no body or says itself where it
    ends, so it has no length.
    """
    added = {"Date": date, "Server": BODILESS["Server"]}
    if length is not None:
        added |= {"Content-Length": str(length), "Content-Type": "application/octet-stream"}
    if not keeps:
        added["Connection"] = "close"
    names = {name.lower() for name in fields}
    whole = {**fields, **{name: text for name, text in added.items() if name.lower() not in names}}
    lines = [f"HTTP/1.1 {status} {REASONS[status]}", *(f"{name}: {text}" for name, text in whole.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def stream_head(
    wire: Wire, own: Mapping[str, str], coding: str = "none", origin: str | None = None, date: str = DATE
) -> bytes:
    """Return the head of a response in chunks.

    `own` are the transport's own fields, of which the scenario's list can't replace the type. `coding` is the
    compression that is used, `origin` the origin of an allowed page that asks.
    """
    chosen = response_headers(wire, own, keeps=False)
    fields = {"Content-Type": own["Content-Type"]}
    fields |= {name: text for name, text in chosen.items() if name.lower() != "content-type"}
    fields["Transfer-Encoding"] = "chunked"
    if coding != "none":
        fields |= {"Content-Encoding": coding, "Vary": "Accept-Encoding"}
    if origin is not None:
        fields |= page_fields(origin, fields.get("Vary"))
    return encode_head(200, fields, None, date=date)


@lru_cache(maxsize=4)
def http_date(now_s: int) -> str:
    """Return a date as HTTP writes it (RFC 9110 §5.6.7); `now_s` in seconds since 1970."""
    return formatdate(now_s, usegmt=True)


@lru_cache(maxsize=256)
def compressed(body: bytes, coding: Literal["gzip", "deflate"]) -> bytes | None:
    """Return `body` in a content coding (RFC 9110 §8.4.1), at zlib's default level; None if it is not
    smaller."""
    window = zlib.MAX_WBITS | 16 if coding == "gzip" else zlib.MAX_WBITS
    press = zlib.compressobj(wbits=window)
    pressed = press.compress(body) + press.flush()
    return pressed if len(pressed) < len(body) else None


def accepts(accept_encoding: str | None, coding: str) -> bool:
    """Return True if an `Accept-Encoding` header names the coding with a weight above 0 (RFC 9110
    §12.5.3)."""
    for entry in (accept_encoding or "").lower().split(","):
        name, _, weight = (part.strip() for part in entry.partition(";"))
        if name == coding:
            return weight.replace(" ", "").rstrip("0.") != "q="
    return False


def matches(if_none_match: str | None, tag: str) -> bool:
    """Return True if an `If-None-Match` header names the tag, or any by `*` (RFC 9110 §13.1.2; weak comparison)."""
    if if_none_match is None:
        return False
    if if_none_match == tag:
        return True
    if if_none_match.strip() == "*":   # alone: in a list it is no tag
        return True
    return any(entry.strip().removeprefix("W/") == tag for entry in if_none_match.split(","))
