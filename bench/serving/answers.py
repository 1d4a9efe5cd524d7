"""Answers to polls: a batch encoded once for all who ask the same, and its entity tag.

The entity tag of an answer is the cursor that it leads to, in quotes. An empty answer to a request
after the cursor C is tagged with C itself: it leaves the client where it was, and C's tag is the one
that the client can name. So

    GET /ticks?after=C   If-None-Match: "C"

is answered with 304 as long as nothing new has come for the subscription, even while the head moves on
by ticks of other symbols. Once there is news, the answer is 200 with the news, under another tag.

A compressed answer is also compressed once for all who ask the same, and only if that makes it smaller.
A server that compresses uses weak tags (`W/"…"`), since one tag then covers two encodings.

`head` reproduces the head that aiohttp writes for an answer's header fields, so that its size is known
without a server.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from bench.serving.admission import page_fields
from bench.wire.contract import Batch, Request, encode_batch
from bench.wire.options import HttpWire, answer_headers, origins

BODILESS = {"Cache-Control": "no-cache", "Server": "tickertape"}
HEADERS = {"Content-Type": "application/json", **BODILESS}
REASONS = {200: "OK", 304: "Not Modified"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A batch with its encoded body and its entity tag."""

    batch: Batch
    body: bytes
    tag: str


def answer_of(request: Request, batch: Batch) -> Answer:
    """Return the answer to `request` that hands over `batch`."""
    stays = request.after is not None and not batch.ticks
    cursor = request.after if stays else batch.cursor
    return Answer(batch, encode_batch(batch), f'"{cursor}"')


def tag_fields(wire: HttpWire, tag: str) -> dict[str, str]:
    """Return the header field of an answer's entity tag; nothing if the options have none."""
    if not wire.entity_tags:
        return {}
    return {"ETag": tag if wire.compression == "none" else f"W/{tag}"}


def coding_fields(wire: HttpWire, coded: bool) -> dict[str, str]:
    """Return the header fields that compression needs; `coded`: this answer is compressed."""
    if wire.compression == "none":
        return {}
    return {"Vary": "Accept-Encoding"} | ({"Content-Encoding": wire.compression} if coded else {})


def head(wire: HttpWire, status: int, length: int, tag: str, coded: bool = False) -> bytes:
    """Return the head of an answer to such a poll as aiohttp writes it, from status line to blank line.

    aiohttp adds the length, the date and, if the connection is closed after the answer, a field for that. A
    304 has no body, and no length or type. Of our polls, only those with their own list of header lines may
    name an origin.
    """
    keeps, unchanged = wire.connection == "keep-alive", status == 304
    fields = answer_headers(wire, BODILESS if unchanged else HEADERS, keeps) | tag_fields(wire, tag)
    added = {"Date": "Sun, 22 Nov 2026 12:00:00 GMT", "Server": BODILESS["Server"]}
    if not unchanged:
        fields |= coding_fields(wire, coded)
        added |= {"Content-Length": str(length), "Content-Type": "application/octet-stream"}
    if not keeps:
        added["Connection"] = "close"
    names = {name.lower() for name in fields}
    fields |= {name: text for name, text in added.items() if name.lower() not in names}
    if wire.request_headers is not None and (asked_from := origins(wire)):
        fields |= page_fields(asked_from[0], fields.get("Vary"), "ETag" in fields)
    lines = [f"HTTP/1.1 {status} {REASONS[status]}", *(f"{name}: {text}" for name, text in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode()


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
    """Return True if an `If-None-Match` header names the tag (RFC 9110 §13.1.2; weak comparison)."""
    if if_none_match is None:
        return False
    if if_none_match == tag:
        return True
    listed = (entry.strip().removeprefix("W/") for entry in if_none_match.split(","))
    return any(entry in (tag, "*") for entry in listed)
