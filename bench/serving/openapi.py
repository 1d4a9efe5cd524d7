"""The description of the HTTP service as an OpenAPI 3.1 document, made from the contract's own tables.

This module lists the refusals that a path can answer with. Their status comes from `REFUSALS`, so that
the document always agrees with the server.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import orjson

from bench.scenario.replay import SYMBOL_PATTERN
from bench.serving.admission import MESSAGES
from bench.uplink.message import INDEX_MAX
from bench.wire.contract import EPOCH, OF_MESSAGES, REFUSALS

OF_ANY_PATH = ("bad-request", "bad-encoding", "bad-origin", "too-large", "timeout", "target-too-long",
               "misdirected", "headers-too-large")
OF_A_READ = ("bad-cursor", "unknown-symbol", "other-epoch", "left-tape", "slow-client", "stopping", "no-feed")
"""The refusals of `Chassis.read`, which a stream may name itself."""
OF_TICKS = (*OF_ANY_PATH, *OF_A_READ)
OF_A_MESSAGE = (*OF_ANY_PATH, *OF_MESSAGES, "unknown-symbol", "no-feed")

CURSOR = {"type": "string", "pattern": f"^{EPOCH.pattern}:[0-9]{{1,16}}$", "examples": ["9f2c:42"]}
LEVELS = {
    "type": "array",
    "items": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
}
SKIPS = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}}

SCHEMAS: dict[str, Any] = {
    "Tick": {
        "description": "One trade, byte for byte as the feed has it.",
        "oneOf": [{"$ref": "#/components/schemas/TickObject"}, {"$ref": "#/components/schemas/CompactTick"}],
    },
    "CompactTick": {
        "type": "array",
        "description": "index, seq, price, size, symbol",
        "prefixItems": [{"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 1},
                        {"type": "number"}, {"type": "number", "minimum": 0}, {"type": "string"}],
        "minItems": 5,
        "maxItems": 5,
    },
    "TickObject": {
        "type": "object",
        "required": ["index", "seq", "due_ns", "symbol", "price", "size"],
        "properties": {
            "index": {"type": "integer", "minimum": 0, "description": "Its place in the schedule."},
            "seq": {"type": "integer", "minimum": 1, "description": "Its place in the epoch."},
            "due_ns": {"type": "integer", "description": "When it was due, on the run clock."},
            "symbol": {"type": "string"},
            "price": {"type": "number"},
            "size": {"type": "number", "minimum": 0},
            "bids": LEVELS,
            "asks": LEVELS,
            "text": {"type": "string", "description": "The words of a person."},
        },
    },
    "Batch": {
        "type": "object",
        "required": ["cursor", "more", "ticks"],
        "additionalProperties": False,
        "properties": {
            "cursor": CURSOR,
            "more": {"type": "boolean", "description": "The batch was cut: ask again at once."},
            "ticks": {"type": "array", "items": {"$ref": "#/components/schemas/Tick"}},
            "conflated": {**SKIPS, "description": "Ticks conflated, by symbol."},
            "dropped": {**SKIPS, "description": "Ticks dropped, by symbol."},
        },
    },
    "Refusal": {
        "type": "object",
        "required": ["error", "detail"],
        "additionalProperties": False,
        "properties": {
            "error": {"type": "string", "enum": sorted(REFUSALS)},
            "detail": {"type": "string"},
            "resume": {**CURSOR, "description": "Where the client may go on from."},
        },
    },
    "Message": {
        "type": "object",
        "description": "A message of a client. One of a schedule has its index, and no text.",
        "required": ["author", "symbol", "price", "size"],
        "additionalProperties": False,
        "properties": {
            "index": {"type": "integer", "minimum": 0, "maximum": INDEX_MAX,
                      "description": "Its place; by hand: the next free one where it is left out."},
            "author": {"type": "integer", "minimum": 0, "maximum": INDEX_MAX},
            "symbol": {"type": "string", "description": "Its room."},
            "price": {"type": "number", "exclusiveMinimum": 0},
            "size": {"type": "number", "minimum": 0},
            "text": {"type": "string"},
        },
        "examples": [{"author": 7, "symbol": "AAA", "price": 23.82, "size": 100, "text": "hello"}],
    },
    "Accepted": {
        "type": "object",
        "required": ["accepted"],
        "additionalProperties": False,
        "properties": {"accepted": {"type": "integer", "minimum": 0, "description": "The message's index."}},
    },
    "MessageRefusal": {
        "type": "object",
        "required": ["error", "detail"],
        "additionalProperties": False,
        "properties": {
            "error": {"type": "string", "enum": sorted(OF_A_MESSAGE)},
            "detail": {"type": "string"},
            "index": {"type": ["integer", "null"], "description": "Null where it could not be read."},
        },
    },
    "Counts": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
    "Health": {
        "type": "object",
        "required": ["status", "transport", "epoch", "head"],
        "properties": {
            "status": {"enum": ["ok", "waiting"]},
            "transport": {"type": "string"},
            "epoch": {"type": ["string", "null"]},
            "head": {"type": "integer", "minimum": 0},
        },
    },
}


def document(
    transport: str, entity_tags: bool = False, stream: str | None = None, takes_messages: bool = False,
    in_stream: Collection[str] = (),
) -> bytes:
    """Return the document of a server of `transport`, as JSON; further arguments as in `ask_for_ticks`."""
    health = _refusals(OF_ANY_PATH) | {
        "200": content("Health", "It has caught up with the feed."),
        "503": content("Health", "It has not (yet)."),
    }
    stats = _refusals(OF_ANY_PATH) | {"200": content("Counts", "What the server counted.")}
    itself = _refusals(OF_ANY_PATH) | {"200": {
        "description": "This document.", "content": {"application/json": {"schema": {"type": "object"}}},
    }}
    messages = {MESSAGES: {"post": take_message()}} if takes_messages else {}
    return orjson.dumps({
        "openapi": "3.1.0",
        "info": {"title": f"Tickertape: {transport}", "version": "1",
                 "description": "One stock-ticker feed; see docs/contract.md."},
        "paths": {
            "/ticks": {"get": ask_for_ticks(entity_tags, stream, in_stream)},
            **messages,
            "/health": {"get": {"operationId": "health", "responses": health}},
            "/stats": {"get": {"operationId": "stats", "responses": stats}},
            "/openapi.json": {"get": {"operationId": "openapi", "responses": itself}},
        },
        "components": {"schemas": SCHEMAS},
    })


def ask_for_ticks(entity_tags: bool, stream: str | None, in_stream: Collection[str]) -> dict[str, Any]:
    """Return the description of the path at which clients get ticks.

    `stream` is the media type of the ticks where the response is a stream; None where it is a batch. `in_stream`
    are the refusals that are part of a stream, with status 200, and never an HTTP error.
    """
    responses = _refusals([code for code in OF_TICKS if code not in in_stream])
    parameters = [
        query("after", CURSOR, "Everything after this cursor; by default from now on."),
        query("symbols", {"type": "string", "examples": ["AAA,BBB"]},
              f"Names with commas between, each {SYMBOL_PATTERN}; by default all."),
        query("mode", {"enum": ["every", "latest"]}, "Each tick once, or the newest of each symbol."),
    ]
    if stream is None:
        responses["200"] = content("Batch", "The ticks after the cursor.")
    else:
        text = "The ticks after the cursor, and from then on each when it comes."
        if in_stream:
            text += f" A stream may end with a refusal, which has no HTTP status of its own: {', '.join(in_stream)}."
        responses["200"] = {"description": text, "content": {stream: {"schema": {"type": "string"}}}}
        parameters.append({
            "name": "Last-Event-ID", "in": "header", "schema": CURSOR,
            "description": "The cursor of the last event received; it counts in place of `after`.",
        })
    if entity_tags:
        tag = f'(W/)?"{EPOCH.pattern}:[0-9]{{1,16}}"'
        parameters.append({
            "name": "If-None-Match", "in": "header",
            "schema": {"type": "string", "pattern": rf"^(\*|{tag}(, {tag})*)$"},
            "description": "The tag of the response before, or the cursor in quotes; a list of them; or `*` for any.",
        })
        tagged = {"ETag": {"schema": {"type": "string"}}}
        responses["200"]["headers"] = tagged
        responses["304"] = {"description": "Nothing new: the tag is one of those.", "headers": tagged}
    return {"operationId": "ticks", "parameters": parameters, "responses": responses}


def take_message() -> dict[str, Any]:
    """Return the description of the path to which a message is sent."""
    return {
        "operationId": "message",
        "description": "Sends a message to its room; a page may send it as text/plain, which needs no preflight.",
        "requestBody": {"required": True, "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Message"}}}},
        "responses": _refusals(OF_A_MESSAGE, "MessageRefusal") | {
            "202": content("Accepted", "It has been numbered, now or before.")},
    }


def query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    """Return the description of a query parameter; all parameters are optional."""
    return {"name": name, "in": "query", "schema": schema, "description": description}


def content(schema: str, description: str) -> dict[str, Any]:
    """Return the description of a response whose JSON body has one of our schemas."""
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {"application/json": {"schema": reference}}}


def _refusals(codes: Sequence[str], schema: str = "Refusal") -> dict[str, Any]:
    """Return the descriptions of the responses for these refusals, by status; `schema` is that of their body."""
    by_status: dict[str, list[str]] = {}
    for code in codes:
        by_status.setdefault(str((REFUSALS.get(code) or OF_MESSAGES[code]).http), []).append(code)
    return {status: content(schema, ", ".join(codes)) for status, codes in sorted(by_status.items())}
