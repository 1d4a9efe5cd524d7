"""The sizes of polls and their responses, and of messages that clients post, computed with the encoders of the client,
the contract and the server.

    request          http_client.encode_request(target, options.fetch_head, If-None-Match)
    response         serving.responses.head + contract.encode_batch
    empty response   the same functions: 304 with entity tags, else an empty batch
    compression      serving.responses.compressed, of batches of the feed's own lines
    message          posting.post_request(options.message_head)
    its answer       serving.responses.encode_head + uplink.message.accepted

All polling transports take their sizes from here (`wire` in their `model`), so that they differ only in how
often things happen. Which end closes a connection that was opened for one request is a race: the server
closes once it has sent all responses of one turn of its loop, the client once it has read its response. So the
server closes the connection of a single response. The clients close the connections of responses that one tick
caused (`parks`), and encrypted connections, since the server sends its TLS goodbye before the close. A persistent
connection whose request is parked ends with an empty response to that request, except when it is encrypted.

Known weakness: the count in a declared skip is assumed to have one digit. The length of an answer to a message is that
of the conversation's sample. All responses of a server that
compresses are assumed to carry the header of a compressed response, including those that compression did not
make smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from itertools import cycle as repeated
from itertools import islice

from bench.serving.admission import page_fields
from bench.serving.responses import HEADERS, compressed, encode_head, head
from bench.transports.cycle import Cycle
from bench.transports.posting import post_request
from bench.transports.tls_sizes import handshake
from bench.uplink.message import accepted, index_of
from bench.wire.contract import Batch, Request, encode_batch
from bench.wire.http_client import encode_request
from bench.wire.options import HttpWire, Wire, fetch_head, message_head, origins
from bench.wire.sizes import CLIENT_FIRST, SERVER_FIRST, Conversation, Sizes, Steps, UplinkSizes

DIGITS = 7
"""The largest number of digits of a body's length for which the sizes of heads are computed."""
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
"""The numbers of ticks for which the size of a compressed batch is measured."""


def poll_sizes(options: HttpWire, said: Conversation, cycle: Cycle) -> Sizes:
    """Return the sizes of a polling transport's conversation."""
    request = Request(said.subscription, said.cursor)
    tag = f'"{said.cursor}"'
    condition = f"If-None-Match: {tag}\r\n".encode() if options.entity_tags else b""
    empty = encode_batch(Batch(said.cursor))
    status = 304 if options.entity_tags else 200
    empty_body = 0 if status == 304 else len(empty)
    declaring, skip = skips(said)
    codes = options.compression != "none"
    closing = SERVER_FIRST if cycle.new_connection and not cycle.parks else CLIENT_FIRST
    empty_head = len(head(options, status, empty_body, tag))
    if cycle.parks and not cycle.new_connection:
        closing = replace(closing, bytes_down=float(empty_head + empty_body), data_down=1.0, acks_up=2.0)
    plain = Sizes(
        request_bytes=len(encode_request(
            f"/ticks?{request.to_query()}", fetch_head(options, said.host), condition)),
        heads=heads(options, tag, codes),
        empty_head_bytes=empty_head,
        empty_body_bytes=empty_body,
        batch_bytes=len(empty),
        declaring_bytes=declaring, skip_bytes=skip,
        parks=cycle.parks, interval_s=cycle.interval_s, pace=cycle.pace,
        new_connection=cycle.new_connection,
        closing=closing,
        pressed=pressed(options, said) if codes else (),
        uplink=posted(options, said),
    )
    return handshake(said.host.rpartition(":")[0]).around(plain) if options.tls else plain


def posted(options: Wire, said: Conversation) -> UplinkSizes:
    """Return the sizes of a client's message that is the body of a request, and of its answer."""
    request_head, _ = post_request(message_head(options, said.host), said.message)
    reply, fields = reply_to(said.message), HEADERS
    for origin in origins(options)[:1]:
        fields = HEADERS | page_fields(origin)
    return UplinkSizes(
        head_bytes=len(request_head), reply_bytes=len(reply),
        reply_head_bytes=len(encode_head(HTTPStatus.ACCEPTED, fields, len(reply))))


def reply_to(message: bytes) -> bytes:
    """Return the answer to a message that was accepted."""
    return accepted(index_of(message) or 0)


def heads(options: HttpWire, tag: str, coded: bool) -> Steps:
    """Return the sizes of heads, in bytes, by the size of their bodies: one step per digit of the length."""
    return tuple(
        (10.0**digits - 1, float(len(head(options, 200, 10**digits - 1, tag, coded))))
        for digits in range(1, DIGITS + 1)
    )


def skips(said: Conversation) -> tuple[float, float]:
    """Return the bytes that it takes to declare any skips, and the bytes per symbol, with a one-digit
    count."""
    names = sorted(said.subscription.symbols or {"AAA", "AAB"})
    one = len(encode_batch(Batch(said.cursor, conflated={names[0]: 1})))
    empty = len(encode_batch(Batch(said.cursor)))
    own = float(len(names[0]) + len('"":1,'))
    return one - empty - own, own


def pressed(options: HttpWire, said: Conversation) -> Steps:
    """Return the size of a compressed batch by its number of ticks; the batch's own size if that is
    smaller.

    Raises `AssertionError` if the options say no compression.
    """
    coding = options.compression
    assert coding != "none"
    return batches(said, lambda body: float(len(compressed(body, coding) or body)))


def batches(said: Conversation, size: Callable[[bytes], float]) -> Steps:
    """Return the size of a batch of the feed's own lines by its number of ticks; `size` is that of its JSON."""
    return tuple(
        (float(count), size(encode_batch(Batch(said.cursor, tuple(islice(repeated(said.lines), count))))))
        for count in BATCHES)
