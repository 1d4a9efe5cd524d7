"""What polls and their answers take, from the encoders of the client, the contract and the server.

    request        http_exchange.encode_request(target, wire.fetch_head, If-None-Match)
    answer         serving.answers.head + contract.encode_batch
    empty answer   the same: 304 with entity tags, else an empty batch
    compression    serving.answers.compressed, of batches of the feed's own lines

All polling transports take them from here (`wire` in their `model`), so that they differ in how often
things happen and in nothing else. Which end closes a connection that was opened for one request is a race:
the server closes once it is done with all that it answers in one turn of its loop, the client when it has
read its answer. So a single answer's connection is closed by the server, those of answers that one tick
caused (`parks`) by their clients, and encrypted ones too, since the server says goodbye in between. A kept
connection whose request is parked ends with an empty answer to it, but for encrypted ones.

Known weakness: the digits of a skip's count are taken as one. All answers of a server that compresses are
taken to say so, also those that it couldn't make smaller.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle as repeated
from itertools import islice

from bench.serving.answers import compressed, head
from bench.transports.cycle import Cycle
from bench.transports.tls_sizes import handshake
from bench.wire.contract import Batch, Request, encode_batch
from bench.wire.http_client import encode_request
from bench.wire.options import HttpWire, fetch_head
from bench.wire.sizes import CLIENT_FIRST, SERVER_FIRST, Conversation, Sizes, Steps

DIGITS = 7
"""Bodies of up to so many digits of length are told apart."""
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Numbers of ticks for which a compressed batch is measured."""


def poll_sizes(options: HttpWire, said: Conversation, cycle: Cycle) -> Sizes:
    """The sizes of a polling transport's conversation."""
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
    )
    return handshake(said.host.rpartition(":")[0]).around(plain) if options.tls else plain


def heads(options: HttpWire, tag: str, coded: bool) -> Steps:
    """Heads by the size of their bodies: a step for each further digit of the length."""
    return tuple(
        (10.0**digits - 1, float(len(head(options, 200, 10**digits - 1, tag, coded))))
        for digits in range(1, DIGITS + 1)
    )


def skips(said: Conversation) -> tuple[float, float]:
    """What it takes to declare any skips, and each symbol's, with a count of one digit."""
    names = sorted(said.subscription.symbols or {"AAA", "AAB"})
    one = len(encode_batch(Batch(said.cursor, conflated={names[0]: 1})))
    empty = len(encode_batch(Batch(said.cursor)))
    own = float(len(names[0]) + len('"":1,'))
    return one - empty - own, own


def pressed(options: HttpWire, said: Conversation) -> Steps:
    """The size of a compressed batch by its number of ticks, where that is smaller than the batch."""
    assert options.compression != "none"
    found = []
    for count in BATCHES:
        body = encode_batch(Batch(said.cursor, tuple(islice(repeated(said.lines), count))))
        found.append((float(count), float(len(compressed(body, options.compression) or body))))
    return tuple(found)
