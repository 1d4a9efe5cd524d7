"""The closed forms and the sizes of the WebSocket: those of a push, and its own frames.

    client   upgrade ─┐
    server            └► 101 │ greeting (a batch) │ frame │ frame …      a frame: header, and a bare tick or a batch

Its times and counts are those of every push (`bench.transports.pushing`). Only the sizes are its own. They are
computed with the encoders of the client, the contract and the server.

Known weakness: the mean size of a frame's header is that of a message of mean size.
"""

from __future__ import annotations

from base64 import b64encode
from itertools import cycle as repeated
from itertools import islice

from websockets.http11 import Request as Upgrade
from websockets.server import ServerProtocol

from bench.transports.poll_sizes import BATCHES, skips
from bench.transports.pushing import (
    age_excess_mean_s,
    at_interval,
    conflated_share,
    cycle,
    empty_share,
    latency_mean_s,
    latency_worst_s,
    messages,
    requests_per_s,
    server_s,
)
from bench.transports.tls_sizes import handshake
from bench.transports.websocket.protocol import OFFER, TAKEN_UP, Options, hello_frame, message_frame, offers
from bench.wire.contract import Batch, Request, encode_batch
from bench.wire.http_client import encode_request
from bench.wire.options import answer_headers, upgrade_head
from bench.wire.sizes import SERVER_FIRST, Conversation, Sizes, Steps

__all__ = [
    "age_excess_mean_s", "at_interval", "conflated_share", "cycle", "empty_share", "latency_mean_s", "latency_worst_s",
    "messages", "requests_per_s", "server_s", "wire",
]

KEY = b64encode(bytes(16)).decode()
"""A key of the usual length: 16 bytes in Base64."""
SERVER = "tickertape"
FRAMES = ((125.0, 2.0), (65_535.0, 4.0), (2.0**63, 10.0))
"""The size of a frame's header by the length of its message, in bytes (RFC 6455 §5.2)."""


def wire(options: Options, said: Conversation) -> Sizes:
    """Return the sizes on the wire of an upgrade and a push."""
    deflates = options.compression != "none"
    hello = encode_request(
        f"/ticks?{Request(said.subscription, said.cursor).to_query()}",
        upgrade_head(options, said.host, OFFER if offers(options) else None),
        f"Sec-WebSocket-Key: {KEY}\r\n".encode())
    declaring, skip = skips(said)
    bare = [message_frame(line, deflates) for line in said.lines]
    plain = Sizes(
        batch_bytes=len(encode_batch(Batch(said.cursor))),
        declaring_bytes=declaring, skip_bytes=skip,
        frames=FRAMES, bare=True, pushes=True,
        closing=SERVER_FIRST,
        hello_bytes_up=len(hello),
        hello_bytes_down=len(_agreed(options, hello)),
        greeting_bytes=len(hello_frame(Batch(said.cursor), deflates)),
        pressed=_pressed(said) if deflates else (),
        pressed_bare_bytes=sum(map(len, bare)) / len(bare) - FRAMES[0][1] if deflates and bare else 0.0,
    )
    return handshake(said.host.rpartition(":")[0]).around(plain) if options.tls else plain


def _agreed(options: Options, hello: bytes) -> bytes:
    """Return the answer to an upgrade, as the server's library and our server produce it."""
    protocol = ServerProtocol(extensions=[TAKEN_UP] if options.compression != "none" else None)
    protocol.receive_data(hello)
    (upgrade,) = protocol.events_received()
    assert isinstance(upgrade, Upgrade)
    answer = protocol.accept(upgrade)
    answer.headers["Server"] = SERVER
    if options.response_headers is not None:
        for name, text in answer_headers(options, {}, keeps=False).items():
            answer.headers.pop(name, None)
            answer.headers[name] = text
    return answer.serialize()


def _pressed(said: Conversation) -> Steps:
    """Return the size of a compressed batch, in bytes, by its number of ticks."""
    found = []
    for count in BATCHES:
        batch = Batch(said.cursor, tuple(islice(repeated(said.lines), count)))
        frame = message_frame(encode_batch(batch), deflate=True)
        found.append((float(count), len(frame) - (2.0 if len(frame) <= 127 else 4.0)))
    return tuple(found)
