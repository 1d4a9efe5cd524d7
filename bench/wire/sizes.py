"""The bytes of a conversation on the wire: the size of each kind of message, times how often it is sent.

    Sizes (of a transport with its options) × Traffic (how often, by client) ─► columns of `clients.parquet`

    request           head                                             answered by exactly one
    response            head · batch · ticks · a comma between two · declared skips
    empty response      head · perhaps an empty batch
    pushed message    frame header · a bare tick or a batch
    client's message  head (a request's, or none) · frame header · the message; its answer likewise
    opening, closing  SYN, FIN, TLS flights, messages of a connection before its first tick

The bytes of each kind come from the project's own encoders (`wire` in each transport's `model`), so this
module only multiplies. The size of a header depends a little on what it announces (the digits of a length,
the 2, 4 or 10 bytes of a frame header). Such sizes are step functions, evaluated at the mean size of a client's
responses.

Bytes that are written at once take ⌈bytes / 1448⌉ segments, 1448 being the 1460 of our sockets less the
timestamp option. With TLS each write is a record, 22 bytes more.

Bare acknowledgements follow from a few rules of Linux's TCP (`__tcp_cleanup_rbuf` in tcp.c,
`tcp_event_data_sent` in tcp_output.c, `tcp_delack_timer_handler` in tcp_timer.c):

0. More than one full segment is acknowledged as soon as it is there.
1. A side that does not converse acknowledges as soon as it has read. So a client that only listens sends
   one for each read, and a poller one for each response.
2. A side that sent within 40 ms of receiving converses (*pingpong*): its acknowledgement waits up to 40 ms
   for data to be sent with. So none is sent for a response that the next request follows, nor for a request
   that is answered within 40 ms.
3. If those 40 ms pass, it acknowledges, and no longer converses until it sends within 40 ms again. So of
   requests that are held at random, a share p of them for less than 40 ms, 1 − p² are acknowledged.
4. A client's message is answered within 40 ms, so it is not acknowledged; a client reads the answer as a listener.
5. Both ends begin as listeners. Closing takes three segments: a FIN each, and an acknowledgement by the
   side that closed first.

Known weakness: the rules are those of one kernel (Linux 6.x). Others wait longer (Windows 200 ms) or count
to three before they converse (Linux 5.x). By rule 0 a write of several segments gets one acknowledgement,
as on loopback, where it arrives at once; over a network it is every second segment. Holds are assumed to be
independent of each other. A server acknowledges the first message that is posted on a connection (rule 5), which is
left out: 52 bytes down. Which end closes first is a race that only a measurement can show.
Retransmissions are zero: nothing is lost here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.records.trial_record import COUNTED_BY_KERNEL, OPENING_AND_CLOSING
from bench.wire.contract import Cursor, Subscription

Numbers = npt.NDArray[np.float64]
Steps = tuple[tuple[float, float], ...]
"""Sizes as a function of another size: ((up to this size, this many bytes), …), rising; the last entry holds
for everything above."""
NONE: Steps = ((0.0, 0.0),)

SEGMENT_PAYLOAD = 1448
"""The bytes in a full segment: an MSS of 1460 less 12 bytes for the timestamp option."""
SEGMENT_BYTES = 52
"""IPv4 and TCP headers with the timestamp option, as in `measure.tcp`."""
SYN_BYTES = 8
"""Additional bytes of options in a SYN."""
RECORD_BYTES = 22
"""Additional bytes of a TLS 1.3 record: header 5, content type 1, tag 16 (RFC 8446 §5.2)."""
RECORD_MAX = 16_384
DELAYED_ACK_S = 0.04
"""The time for which a conversing side delays an acknowledgement, waiting for data to send it with, in
seconds (Linux's TCP_DELACK_MIN)."""

ALL = Subscription()
USUAL_CURSOR = Cursor("0000", 100)
USUAL_MESSAGE = b'{"index":41,"author":17,"symbol":"AAA","price":23.82,"size":100}'


@dataclass(frozen=True, slots=True)
class Conversation:
    """The inputs, other than the options, on which the sizes of requests and responses depend."""

    lines: tuple[bytes, ...]
    """Some of the feed's own lines, as a sample: for compression, and for the symbols' names."""
    subscription: Subscription = ALL
    host: str = "127.0.0.1:40000"
    """The server, as in the Host header."""
    cursor: Cursor = USUAL_CURSOR
    """A cursor of typical length."""
    message: bytes = USUAL_MESSAGE
    """A message of a client, of typical length."""


@dataclass(frozen=True, slots=True)
class ConnectionSizes:
    """The cost of opening or closing one connection, in addition to the conversation."""

    bytes_up: float = 0.0
    """TCP payload that no application sees: TLS."""
    bytes_down: float = 0.0
    data_up: float = 0.0
    """Segments with this payload."""
    data_down: float = 0.0
    acks_up: float = 0.0
    """Bare acknowledgements."""
    acks_down: float = 0.0
    control_up: float = 1.0
    """SYN or FIN segments."""
    control_down: float = 1.0


OPENING = ConnectionSizes(acks_up=1.0)
"""Opening: SYN, SYN-ACK, ACK."""
CLIENT_FIRST = ConnectionSizes(acks_up=1.0)
"""Closing, begun by the client: FIN, FIN-ACK, ACK."""
SERVER_FIRST = ConnectionSizes(acks_down=1.0)


@dataclass(frozen=True, slots=True)
class UplinkSizes:
    """The bytes of a client's message and of its answer, besides the message itself."""

    head_bytes: float = 0.0
    """The head of the request whose body the message is; 0 where it is a frame."""
    around_bytes: float = 0.0
    """The header of its frame."""
    reply_head_bytes: float = 0.0
    reply_bytes: float = 0.0
    """The answer without its head, with its frame header."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The bytes of a transport with its options by kind: application bytes, before TLS and TCP."""

    request_bytes: float = 0.0
    """A poll, from start line to blank line."""
    heads: Steps = NONE
    """The head of a response with ticks, by the size of its body."""
    empty_head_bytes: float = 0.0
    """The head of an empty response."""
    empty_body_bytes: float = 0.0
    """The body of an empty response: 0 for a 304, else an empty batch."""
    batch_bytes: float = 0.0
    """A batch without its ticks."""
    between_bytes: float = 1.0
    """The separator between two ticks of a batch."""
    declaring_bytes: float = 0.0
    """The declaration of skips in a response, without its symbols."""
    skip_bytes: float = 0.0
    """The declaration of one symbol's skips."""
    frames: Steps = NONE
    """A pushed message's frame header, by the size of the message."""
    wrapping_bytes: float = 0.0
    """A pushed message's bytes around the batch or bare tick, inside the frame: compressed with it."""
    bare: bool = False
    """True if a single tick is sent without a batch around it."""
    pushes: bool = False
    parks: bool = False
    interval_s: float = 0.0
    """Time from one request to the next, in seconds; 0 if the next request follows the response at once."""
    pace: str = ""
    """`rate`: the interval is counted from request to request; `delay`: from response to request."""
    new_connection: bool = False
    """True if each request has a connection of its own."""
    tls: bool = False
    opening: ConnectionSizes = OPENING
    settling: ConnectionSizes = ConnectionSizes(control_up=0.0, control_down=0.0)
    """The bytes of a new connection in addition to opening and closing: TLS messages sent with the first request and
    its response, and segments that are acknowledged because neither side converses yet."""
    closing: ConnectionSizes = CLIENT_FIRST
    hello_bytes_up: float = 0.0
    """The request with which a connection of a push transport begins."""
    hello_bytes_down: float = 0.0
    """The head of the response to this request."""
    greeting_bytes: float = 0.0
    """The first message with its frame header, without ticks."""
    pressed: Steps = ()
    """The size of a compressed batch, by its number of ticks; empty if nothing is compressed."""
    pressed_bare_bytes: float = 0.0
    """The size of a compressed bare tick."""
    uplink: UplinkSizes = UplinkSizes()


@dataclass(frozen=True, slots=True)
class Traffic:
    """Counts of what happened: one entry per client, or one for several clients together."""

    requests: Numbers
    answers: Numbers
    """Responses with ticks, or pushed messages."""
    empty: Numbers
    """Responses without ticks."""
    updates: Numbers
    payload_bytes: Numbers
    """Bytes of the updates, in the feed's own encoding."""
    connections: Numbers
    """Connections opened."""
    closed: Numbers
    openings: Numbers
    """Connections opened in the client's whole life."""
    closings: Numbers
    bare: Numbers
    """The part of `answers` with one tick and no declared skips."""
    declaring: Numbers
    """The part of `answers` that declares skips."""
    skips: Numbers
    """Symbols for which `declaring` responses declare skips."""
    reads: Numbers
    """The number of reads by the client: less than the responses if several were there at once."""
    followed: Numbers
    """Responses that were followed by the next request within `DELAYED_ACK_S`."""
    brief: Numbers
    """Share of the requests that the server held for less than `DELAYED_ACK_S`."""
    uplinks: Numbers
    """Messages that clients sent; they are not among the requests."""
    uplink_bytes: Numbers
    """Bytes of these messages."""
    uplinks_answered: Numbers


def traffic(sizes: Sizes, counts: Mapping[str, npt.ArrayLike]) -> Traffic:
    """Return the `Traffic` of a transport from counts, named as in `Traffic` and in `trial_record.CLIENTS`.

    `updates` and `payload_bytes` are required. Every other count has a default: no requests, no connections,
    no skips; one response per request or, for a push, per update; as many single ticks as the number of responses
    allows; one read per response. By default `followed` is `polls_late` where requests are paced, and all
    responses where they are not; none of a push. Requests are held for `held_s` on average, or for
    `request_duration_ns`; the transit to the server and back must then be short. The times are random where requests
    are parked, else all about equal.
    """
    def of(name: str, usual: npt.ArrayLike) -> Numbers:
        return np.asarray(counts.get(name, usual), dtype=np.float64)

    updates = of("updates", 0)
    none = np.zeros_like(updates)
    requests, empty = of("requests", none), of("answers_empty", none)
    connections = of("connections", none)
    answers = of("answers", updates if sizes.pushes else np.maximum(of("responses", requests) - empty, 0))
    responses = of("responses", requests)
    duration_s = _per(of("request_duration_ns", none), responses) / 1e9
    held_s = of("held_s", duration_s)
    brief = -np.expm1(-DELAYED_ACK_S / np.maximum(held_s, 1e-9)) if sizes.parks else held_s < DELAYED_ACK_S
    pause_s = sizes.interval_s - (duration_s if sizes.pace == "rate" else 0.0)
    followed = np.where(pause_s < DELAYED_ACK_S, answers + empty, of("polls_late", none))
    if sizes.new_connection:
        brief, followed = none + sizes.tls, none   # TLS messages after a handshake acknowledge the request
    elif sizes.pushes:
        followed = none   # by no request: their reader listens
    return Traffic(
        requests=requests, answers=answers, empty=empty, updates=updates,
        payload_bytes=of("payload_bytes", none), connections=connections,
        closed=of("closed", none if sizes.pushes else connections),
        openings=of("openings", np.maximum(connections, 1)),
        closings=of("closings", np.maximum(connections, 1)),
        bare=of("bare", np.maximum(2 * answers - updates, 0)), declaring=of("declaring", none),
        skips=of("skips", none), reads=of("reads", answers),
        followed=of("followed", followed),
        brief=of("brief", brief),
        uplinks=of("uplinks", none), uplink_bytes=of("uplink_bytes", none),
        uplinks_answered=of("uplinks_answered", none),
    )


def columns(sizes: Sizes, happened: Traffic) -> dict[str, Numbers]:
    """Return the byte and segment columns of `trial_record.CLIENTS`, one entry per client, not rounded.

    These are header_bytes_*, body_bytes_*, compressed_bytes_down, expanded_bytes_down, and all of
    `COUNTED_BY_KERNEL` and `OPENING_AND_CLOSING`. `bench.stats.trial.bytes` splits them into parts that add
    up to the total.
    """
    none = np.zeros_like(happened.updates)
    single, several = (happened.bare, happened.answers - happened.bare) if sizes.bare else (
        none, happened.answers)
    bare_bytes = _per(happened.payload_bytes, happened.updates)
    batched = happened.updates - single
    plain = _per(
        batched * bare_bytes + (batched - several) * sizes.between_bytes
        + happened.declaring * sizes.declaring_bytes + happened.skips * sizes.skip_bytes, several,
    ) + sizes.batch_bytes + sizes.wrapping_bytes
    plain_bare = bare_bytes + sizes.wrapping_bytes
    body, bare = plain, plain_bare
    if sizes.pressed:
        body = np.minimum(plain, _between(sizes.pressed, _per(batched, several)))
        bare = np.minimum(plain_bare, sizes.pressed_bare_bytes)
    head, frame = _step(sizes.heads, body), _step(sizes.frames, body)
    bare_frame = _step(sizes.frames, bare)
    hello = happened.connections if sizes.pushes else none
    own, sent, answered = sizes.uplink, happened.uplinks, happened.uplinks_answered
    header_up = happened.requests * sizes.request_bytes + hello * sizes.hello_bytes_up + sent * own.head_bytes
    header_down = (
        several * head + happened.empty * sizes.empty_head_bytes + hello * sizes.hello_bytes_down
        + answered * own.reply_head_bytes
    )
    body_down = (
        several * (frame + body) + single * (bare_frame + bare) + happened.empty * sizes.empty_body_bytes
        + hello * sizes.greeting_bytes + answered * own.reply_bytes
    )
    found = {
        "header_bytes_up": header_up, "header_bytes_down": header_down,
        "body_bytes_up": happened.uplink_bytes + sent * own.around_bytes, "body_bytes_down": body_down,
        "compressed_bytes_down": several * body + single * bare if sizes.pressed else none,
        "expanded_bytes_down": several * plain + single * plain_bare if sizes.pressed else none,
    }
    message = _per(happened.uplink_bytes, sent) + own.head_bytes + own.around_bytes
    writes_up = [(happened.requests, none + sizes.request_bytes), (hello, none + sizes.hello_bytes_up), (sent, message)]
    writes_down = [
        (several, head + frame + body), (single, bare_frame + bare),
        (happened.empty, none + sizes.empty_head_bytes + sizes.empty_body_bytes),
        (hello, none + sizes.hello_bytes_down), (hello, none + sizes.greeting_bytes),
        (answered, none + own.reply_head_bytes + own.reply_bytes),
    ]
    return found | _kernel(sizes, happened, found, writes_up, writes_down)


Writes = list[tuple[Numbers, Numbers]]
"""(number of writes, bytes of each)."""


def _kernel(
    sizes: Sizes, happened: Traffic, found: Mapping[str, Numbers], up: Writes, down: Writes
) -> dict[str, Numbers]:
    """Return the columns that the kernel counts, given the writes of both sides."""
    none = np.zeros_like(happened.updates)
    columns = dict.fromkeys((*COUNTED_BY_KERNEL, *OPENING_AND_CLOSING), none)
    columns |= {"openings": happened.openings, "closings": happened.closings}
    bare = _acknowledged(sizes, happened, up, down)
    for direction, writes in (("up", up), ("down", down)):
        tcp = found[f"header_bytes_{direction}"] + found[f"body_bytes_{direction}"]
        data, control, acks = none, none, bare[direction]
        for times, size in writes:
            tcp = tcp + times * _seals(sizes, size)
            data = data + times * _segments(sizes, size)
        for what, times, life, flight in (
            ("opening", happened.connections, happened.openings, sizes.opening),
            ("settling", happened.connections, none, sizes.settling),
            ("closing", happened.closed, happened.closings, sizes.closing),
        ):
            payload, its_data, its_acks, its_control = (
                getattr(flight, f"{name}_{direction}") for name in ("bytes", "data", "acks", "control"))
            tcp, data = tcp + times * payload, data + times * its_data
            acks, control = acks + times * its_acks, control + times * its_control
            if what != "settling":
                segments = its_data + its_acks + its_control
                of_all = payload + segments * SEGMENT_BYTES + (SYN_BYTES if what == "opening" else 0)
                columns[f"{what}_bytes_{direction}"] = life * of_all
                columns[f"{what}_segments_{direction}"] = life * segments
        columns |= {
            f"bytes_{direction}": tcp, f"data_segments_{direction}": data,
            f"control_segments_{direction}": control, f"segments_{direction}": data + control + acks,
        }
    return columns


def _acknowledged(sizes: Sizes, happened: Traffic, up: Writes, down: Writes) -> dict[str, Numbers]:
    """Return the number of bare acknowledgements in each direction, by the rules above."""
    asked, answered = happened.requests, happened.answers + happened.empty
    listened = happened.reads if sizes.pushes else np.maximum(answered - happened.followed, 0)
    return {
        "up": listened + happened.uplinks_answered + _large(sizes, down) * _per(happened.followed, answered),
        "down": asked * (1 - happened.brief**2) + _large(sizes, up) * happened.brief**2,
    }


def _large(sizes: Sizes, writes: Writes) -> Numbers:
    """Return the number of writes that take more than one segment."""
    return sum((times * (_segments(sizes, size) > 1) for times, size in writes), np.zeros_like(writes[0][0]))


def _segments(sizes: Sizes, size: Numbers) -> Numbers:
    """Return the number of segments for `size` bytes written at once."""
    return np.ceil((size + _seals(sizes, size)) / SEGMENT_PAYLOAD)


def _seals(sizes: Sizes, size: Numbers) -> Numbers:
    """Return the bytes that TLS adds to `size` bytes written at once."""
    records = np.ceil(size / RECORD_MAX)
    return np.asarray(records * RECORD_BYTES if sizes.tls else np.zeros_like(size), dtype=np.float64)


def _step(steps: Steps, size: Numbers) -> Numbers:
    """Return the value of `steps` at `size`; the last step holds for everything above."""
    limits, sizes = np.array(steps, dtype=np.float64).T
    place = np.searchsorted(limits, size, side="left")
    return np.asarray(sizes[np.minimum(place, len(sizes) - 1)], dtype=np.float64)


def _between(points: Steps, at: Numbers) -> Numbers:
    """Return the size at `at`, interpolated linearly between the points and extrapolated above the last
    one."""
    places, sizes = np.array(points, dtype=np.float64).T
    found = np.interp(at, places, sizes)
    if len(places) > 1:
        slope = (sizes[-1] - sizes[-2]) / (places[-1] - places[-2])
        found = found + np.maximum(at - places[-1], 0) * slope
    return np.asarray(found, dtype=np.float64)


def _per(total: Numbers, count: Numbers) -> Numbers:
    """Return total / count, and 0 where the count is 0."""
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0)
