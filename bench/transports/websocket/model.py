"""Closed forms for the WebSocket: a push takes δ, and nothing else.

    latency        δ             excess age     δ           age    s/λ + δ   (s symbols of rate λ/s each)
    conflated      0             requests       0           empty  0

δ (`delay_s`) includes the wait for the other clients' turn. With N clients, c seconds of CPU for each send,
u for each update in it and t for a tick itself, a read of k ticks takes B(k) = k (t + Nu) + Nc, and the
server's part of δ is (`server_s`)

    kt + (N + 1)(c + ku)/2              with k = 1 where each tick is done before the next
    the same + a wait                   ticks at random, or too many: `queueing.gated`

It is without bound only from λ(t + Nu) = 1 on, since ticks that come during a read are sent in one message.
Where a push transport was measured, its mean is taken as δ. Then this model adds nothing new about the push,
and serves as the reference for the polling transports.

Known weakness: one size of tick; clients that can't keep up with the pushes delay no other client; in
`latest` mode a read of several ticks conflates them, which is left out.
"""

from __future__ import annotations

import math
from base64 import b64encode
from itertools import cycle as repeated
from itertools import islice

from websockets.http11 import Request as Upgrade
from websockets.server import ServerProtocol

from bench.transports.cycle import Cycle
from bench.transports.poll_sizes import BATCHES, skips
from bench.transports.queueing import Jobs, ServerLoad, SharedReads, gated, place_s
from bench.transports.tls_sizes import handshake
from bench.transports.websocket.protocol import OFFER, TAKEN_UP, Options, hello_frame, message_frame, offers
from bench.wire.contract import Batch, Request, encode_batch
from bench.wire.http_client import encode_request
from bench.wire.options import answer_headers, upgrade_head
from bench.wire.sizes import SERVER_FIRST, Conversation, Sizes, Steps

ANY_FEED = frozenset({
    "latency_mean_s", "latency_mean_latest_s", "age_excess_mean_s", "latency_worst_s", "requests_per_s",
    "empty_share", "conflated_share",
})
"""The closed forms that hold for any schedule; the others assume that ticks are a Poisson process."""

KEY = b64encode(bytes(16)).decode()
"""A key of the usual length: 16 bytes in Base64."""
SERVER = "tickertape"
FRAMES = ((125.0, 2.0), (65_535.0, 4.0), (2.0**63, 10.0))
"""The size of a frame's header by the length of its message, in bytes (RFC 6455 §5.2)."""


def cycle(options: Options) -> Cycle:
    """Return the cycle: every tick is pushed, over a permanent connection."""
    return Cycle(pushes=True, handshakes=1 + options.tls)


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


def latency_mean_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Return the mean latency in seconds: nothing waits for a request."""
    return delay_s


def latency_mean_latest_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Return the mean latency in seconds where only each symbol's newest tick is delivered.

    It equals `latency_mean_s` as long as no client is slow.
    """
    return delay_s


def conflated_share(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Return the share of the ticks that are skipped: none as long as no client is slow."""
    return 0.0


def age_excess_mean_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Return the mean age beyond an ideal client's, in seconds."""
    return delay_s


def age_mean_s(
    options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0, symbols: int = 1
) -> float:
    """Return the mean age of information over the symbols, in seconds."""
    return symbols / rate_per_s + delay_s


def latency_worst_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Return the longest latency of an update, in seconds."""
    return delay_s


def requests_per_s(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Return the requests per second of one client once it is connected."""
    return 0.0


def empty_share(options: Options, rate_per_s: float, delay_s: float, gap_s: float = 0.0) -> float:
    """Return the share of the answers that are empty."""
    return 0.0


def server_s(options: Options, load: ServerLoad, jobs: Jobs, round_trip_s: float) -> float:
    """Return the mean time from a tick's arrival at the server until a client's message is sent.

    In seconds: wait, tick and turn; infinity if the server can't keep up.
    """
    reads = _reads(load, jobs)
    if not math.isfinite(reads.ticks):
        return math.inf
    heard = load.heard(reads.ticks_met)
    each_s = jobs.answer_s + jobs.update_s * reads.ticks_met * load.share / heard
    return reads.wait_s + jobs.tick_s * reads.ticks_met + place_s(load.clients * heard, each_s)


def ticks_a_read(options: Options, load: ServerLoad, jobs: Jobs, round_trip_s: float) -> float:
    """Return the mean number of ticks that the server takes and hands out at once."""
    return _reads(load, jobs).ticks


def _reads(load: ServerLoad, jobs: Jobs) -> SharedReads:
    def read_s(ticks: float) -> float:
        each_s = jobs.answer_s * load.heard(ticks) + jobs.update_s * ticks * load.share
        return ticks * jobs.tick_s + load.clients * each_s

    return gated(load.feed_per_s, read_s, load.regular)
