"""A WebSocket client: one upgrade, then the messages that the server pushes.

    receive ─► the whole read is a tick that another client has parsed ─► delivery      almost always
            ├► the whole read is one short text frame ─► message        the first client of each tick (fast path)
            └► cut into whole frames ─► whole text ─► message
                                     └► all others ─► websockets' Sans-I/O protocol ─► joined messages,
                                                      pongs and closes for the outbox

The upgrade and the short text frame are handled here, because they are the path that is measured: the
library's protocol alone costs twice as much per message as all the rest of the client. It is given whole
frames only, and only those that are not a whole text frame: fragments, control frames, frames with a long
length, malformed bytes. A connection that receives none of these needs no protocol object. Neither does a
connection that the server closes with a valid close frame: that frame is echoed here. `plain` says that the
fast path is open: no partial frame is kept, no fragmented message has begun, and the connection is up. A
connection that failed or is closing leaves the fast path.

The first message is a batch, whose cursor names the epoch; after it bare ticks may come. When the
server closes with a cursor to resume from (4008, 4009, 4010), the client continues from there.

The server sends the pings; the client answers them.
"""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from websockets.exceptions import InvalidHandshake, ProtocolError
from websockets.extensions.base import Extension
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.headers import parse_extension
from websockets.protocol import Protocol, Side, State
from websockets.utils import accept_key

from bench.transports import NEVER, Action, ClientMachine, ClientSpec, Sink
from bench.transports.clients import ClientLife, message_of, remember, resume_of
from bench.transports.outgoing import Outgoing
from bench.transports.websocket.protocol import COMPRESSED, OFFER, OFFERED, Options, offers
from bench.uplink.message import BEGINNINGS, answer_of
from bench.wire.contract import Cursor
from bench.wire.http_client import BadResponse, ResponseReader, encode_request
from bench.wire.options import upgrade_head

MESSAGE_MAX = 16 * 2**20
"""The largest message that is accepted, in bytes; a larger one ends the connection with 1009."""
RESUMABLE = frozenset({4008, 4009, 4010})
"""Close codes whose reason names the cursor to continue from."""

_TEXT = 0x81
_CLOSE = 0x88
_MASKED = 0x80

Ticks = dict[bytes, tuple[int, int, Cursor]]
"""By a frame that is one bare tick: the tick's index, its due instant, and its cursor."""


@lru_cache(16)
def _ticks_of(epoch: str | None) -> Ticks:
    """Return the ticks that were parsed on connections of this epoch; there are none of None."""
    return {}


def frame_size(data: bytearray, at: int) -> int | None:
    """Return the size of the frame that begins at `at`, including its header; None if the header is
    incomplete."""
    if len(data) < at + 2:
        return None
    length = data[at + 1] & 0x7F
    header = 6 if data[at + 1] & _MASKED else 2
    if length < 126:
        return header + length
    extra = 2 if length == 126 else 8
    if len(data) < at + 2 + extra:
        return None
    return header + extra + int.from_bytes(data[at + 2 : at + 2 + extra], "big")


def close_of(frame: bytes) -> Close | None:
    """Return the content of a whole close frame, or None if it is invalid: then the protocol has to answer
    it."""
    if frame[1] >= 126:   # too long, or masked
        return None
    try:
        return Close.parse(frame[2:])
    except (ProtocolError, UnicodeDecodeError):
        return None


class Client(ClientLife):
    """See `transports.ClientMachine`."""

    __slots__ = (
        "_again", "_buffer", "_closing", "_compressed", "_ended", "_epoch", "_extensions", "_fragments",
        "_frames_before", "_handshake", "_head", "_key", "_known", "_offers", "_plain", "_protocol", "_up", "_word",
    )

    def __init__(self, spec: ClientSpec, options: Options, sink: Sink, rng: random.Random) -> None:
        super().__init__(spec, sink, rng)
        self._offers = offers(options)
        self._head = upgrade_head(options, spec.host, OFFER if self._offers else None)
        self._key = ""
        self._handshake: ResponseReader | None = None
        self._up = False
        """True once the upgrade is done, until the connection ends."""
        self._protocol: Protocol | None = None
        """Created when it is needed."""
        self._plain = False
        self._known = _ticks_of(None)
        """The reads of which nothing is left to do but to deliver what was found in them; decided after each other."""
        self._buffer = bytearray()
        self._fragments: list[bytes] = []
        self._extensions: list[Extension] = []
        self._compressed = False
        """True if the message whose frames are arriving is compressed."""
        self._epoch: str | None = None
        """The epoch of this connection's first batch."""
        self._closing = False
        self._ended = False
        """True once the server's close frame has been echoed: frames that follow it are ignored."""
        self._word: str | None = None
        """The reason for the end of this connection, if this client or the server gave one."""
        self._again = False
        self._frames_before = 0
        """Bytes of frames that were sent on the connections before this one."""

    # The connection's life

    def opened(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self.counts.connections += 1
        self._key = b64encode(self._rng.randbytes(16)).decode()
        request = encode_request(self.target, self._head, f"Sec-WebSocket-Key: {self._key}\r\n".encode())
        self.outbox += request
        self.counts.requests += 1
        self.counts.header_bytes_up += len(request)
        self._frames_before = self.counts.body_bytes_up
        self._handshake = ResponseReader()
        self._ended = self._closing = self._again = False
        self._word = self._epoch = None

    def receive(self, data: bytes, kernel_ns: int, app_ns: int) -> bool:
        """See `ClientMachine`."""
        tick = self._known.get(data)
        if tick is not None:
            counts = self.counts
            counts.body_bytes_down += len(data)
            counts.updates += 1
            index, due_ns, self.cursor = tick
            self._deliver(self._number, index, due_ns, kernel_ns, app_ns)
            return True
        size = len(data)
        if self._plain and 2 < size < 128 and data[0] == _TEXT and data[1] == size - 2:
            self.counts.body_bytes_down += size
            self._message(data[2:], kernel_ns, app_ns, data)
        elif self._up:
            self.counts.body_bytes_down += size
            self._receive_frames(self._deliver_known(data, kernel_ns, app_ns), kernel_ns, app_ns)
        elif self._handshake is not None:
            self._receive_handshake(self._handshake, data, kernel_ns, app_ns)
        else:
            self.counts.body_bytes_down += size
        self._known = _ticks_of(self._epoch if self._plain and not self._held_skips else None)
        return False

    def closed(self, now_ns: int, reason: str) -> None:
        """See `ClientMachine`."""
        self._count_handshake()
        self._take_back_unsent()
        self._plain = self._up = False
        self._known = _ticks_of(None)
        self._protocol = None
        self._buffer.clear()
        self._fragments.clear()
        if not self.stopped:
            if self._word is None:
                self._word = reason
                self.failures += 1
            self.counts.errors[self._word] += 1
            self.reopen(now_ns, at_once=self._again)
            self.deadline_ns = self.reopen_ns

    def _take_back_unsent(self) -> None:
        """Subtract bytes that were never sent from the counts: frames, which are last in the outbox, and the
        upgrade."""
        frames = min(len(self.outbox), self.counts.body_bytes_up - self._frames_before)
        self.counts.body_bytes_up -= frames
        self.counts.header_bytes_up -= len(self.outbox) - frames
        self.outbox.clear()

    def timer(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self.reopen_if_due(now_ns)
        self.deadline_ns = self.reopen_ns

    def stop(self, now_ns: int) -> None:
        """See `ClientMachine`. An open connection is closed with 1000, and the server's response is awaited."""
        self.stopped = True
        self.deadline_ns = NEVER
        if self._up and not self._closing:
            self._frames().send_close(CloseCode.NORMAL_CLOSURE)
            self.counts.goodbyes += 1
            self._leave()
        else:
            self.action = Action.CLOSE

    # The upgrade

    def _receive_handshake(self, reader: ResponseReader, data: bytes, kernel_ns: int, app_ns: int) -> None:
        try:
            response = reader.feed(data)
            if response is None:
                return
            if self.stopped:
                self._count_handshake()
                self.counts.body_bytes_down += len(reader.rest)
                return
            head, body = response
            self.counts.responses += 1
            if head.status == 101:
                self._check_upgrade(head.headers)
        except BadResponse:
            if self.stopped:
                return
            self.failures += 1
            self._give_up("bad-answer")
            return
        if head.status != 101:
            if head.status in (409, 410):
                self._again = self.refused(resume_of(body))
            else:
                self.failures += 1
            self._give_up(f"http-{head.status}")
            return
        self._count_handshake()
        self._up = self._plain = True
        if reader.rest:
            self.receive(reader.rest, kernel_ns, app_ns)

    def _check_upgrade(self, headers: Mapping[bytes, bytes]) -> None:
        upgrade = headers.get(b"upgrade", b"").lower()
        connection = headers.get(b"connection", b"").lower()
        if upgrade != b"websocket" or b"upgrade" not in connection:
            raise BadResponse("101, but not to a WebSocket")
        if headers.get(b"sec-websocket-accept") != accept_key(self._key).encode():
            raise BadResponse("101 to another key")
        self._extensions = []
        agreed = headers.get(b"sec-websocket-extensions")
        if agreed is not None:
            self._extensions = [self._agree(agreed.decode("latin-1"))]

    def _agree(self, agreed: str) -> Extension:
        """Return the extension that the server accepted. Raises `BadResponse` if it was not offered."""
        try:
            ((name, parameters),) = parse_extension(agreed)
            if name != OFFERED.name or not self._offers:
                raise ValueError("an extension that was not offered")
            return OFFERED.process_response_params(parameters, [])
        except (ValueError, InvalidHandshake) as error:
            raise BadResponse(f"101 with the extensions {agreed[:80]!r}: {error}") from error

    def _count_handshake(self) -> None:
        """Count the bytes of the response to the upgrade, once."""
        if self._handshake is not None:
            self._handshake.abandon()
            self.counts.header_bytes_down += self._handshake.header_bytes
            self.counts.body_bytes_down += self._handshake.body_bytes
            self._handshake = None

    def _give_up(self, word: str) -> None:
        """End a connection that is no WebSocket (yet)."""
        self._count_handshake()
        self._word = word
        self.action = Action.CLOSE

    # Frames and messages

    def _frames(self) -> Protocol:
        """Return the protocol object of this connection; create it if there is none."""
        if self._protocol is None:
            self._protocol = Protocol(Side.CLIENT, state=State.OPEN, max_size=MESSAGE_MAX)
            self._protocol.extensions = self._extensions
        return self._protocol

    def _deliver_known(self, data: bytes, kernel_ns: int, app_ns: int) -> bytes:
        """Deliver the ticks at the beginning of a read that another client has parsed; return the rest."""
        known, begin = self._known, 0
        while begin + 1 < len(data):
            end = begin + 2 + data[begin + 1]
            tick = known.get(data[begin:end])
            if tick is None:
                break
            self._take_known(tick, kernel_ns, app_ns)
            begin = end
        return data[begin:]

    def _take_known(self, tick: tuple[int, int, Cursor], kernel_ns: int, app_ns: int) -> None:
        """Deliver a tick that another client has parsed."""
        index, due_ns, self.cursor = tick
        self.counts.updates += 1
        self._deliver(self._number, index, due_ns, kernel_ns, app_ns)

    def _receive_frames(self, data: bytes, kernel_ns: int, app_ns: int) -> None:
        """Process what is left of a read, in whatever pieces the frames come."""
        buffer = self._buffer
        buffer += data
        at = 0
        while self._up and (size := frame_size(buffer, at)) is not None:
            if size > MESSAGE_MAX:
                self._frames().fail(CloseCode.MESSAGE_TOO_BIG)
                self._fail()
                break
            if len(buffer) < at + size:
                break
            self._frame(bytes(buffer[at : at + size]), kernel_ns, app_ns)
            at += size
        del buffer[:at]
        self._plain = not (buffer or self._fragments or self._closing)

    def _frame(self, frame: bytes, kernel_ns: int, app_ns: int) -> None:
        """Process one whole frame."""
        if self._ended:
            return
        if frame[0] == _TEXT and frame[1] <= 126 and not (self._fragments or self._closing):
            self._text(frame, kernel_ns, app_ns)
            return
        if frame[0] == _CLOSE and not self._closing and (close := close_of(frame)) is not None:
            self._ended = True
            self._echo(frame[2:])
            self._end(close)
            return
        protocol = self._frames()
        if self._closing and protocol.state is State.CLOSED:
            return
        protocol.receive_data(frame)
        for event in protocol.events_received():
            if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._count_compressed(frame, len(event.data))
                self._fragments.append(bytes(event.data))
                if event.fin:
                    message = b"".join(self._fragments)
                    self._fragments.clear()
                    if not self._closing:
                        self._message(message, kernel_ns, app_ns)
        if protocol.state is State.OPEN:
            self._flush()
        elif not self._closing:
            self._end(protocol.close_rcvd)
        elif protocol.close_rcvd is not None:
            self.counts.goodbyes_answered += self.stopped and protocol.close_rcvd.code == CloseCode.NORMAL_CLOSURE
            self._flush()
            self.action = Action.CLOSE

    def _text(self, frame: bytes, kernel_ns: int, app_ns: int) -> None:
        """Process a whole message in one frame, which another client may have parsed."""
        if frame[1] == 126:
            self._message(frame[4:], kernel_ns, app_ns)
            return
        tick = None if self._held_skips else _ticks_of(self._epoch).get(frame)
        if tick is not None:
            self._take_known(tick, kernel_ns, app_ns)
        else:
            self._message(frame[2:], kernel_ns, app_ns, frame)

    def _count_compressed(self, frame: bytes, expanded: int) -> None:
        """Count a data frame if its message is compressed (RFC 7692 §6: the first frame says so)."""
        if frame[0] & 0x0F != Opcode.CONT:
            self._compressed = bool(frame[0] & COMPRESSED)
        if self._compressed:
            header = 2 if frame[1] < 126 else 4 if frame[1] == 126 else 10
            self.counts.compressed_bytes_down += len(frame) - header
            self.counts.expanded_bytes_down += expanded

    def _message(self, text: bytes, kernel_ns: int, app_ns: int, frame: bytes | None = None) -> None:
        """Process one message, a bare tick or a batch; `frame`: the frame that it is, if that is a short one."""
        try:
            message = message_of(text)
            if isinstance(message, dict):
                self._bare_tick(message, kernel_ns, app_ns, frame)
            else:
                self.take_batch(message, kernel_ns, app_ns)
                self._epoch = message.cursor.epoch
        except (ValueError, KeyError, TypeError):
            self._frames().fail(CloseCode.INVALID_DATA, "not a batch")
            self._fail()

    def _bare_tick(self, fields: dict[str, Any], kernel_ns: int, app_ns: int, frame: bytes | None) -> None:
        if self._epoch is None:
            raise ValueError("a bare tick before the first batch")
        cursor = Cursor(self._epoch, fields["seq"])
        index, due_ns = self.take_tick(fields, cursor, kernel_ns, app_ns)
        if frame is not None:
            remember(_ticks_of(self._epoch), frame, (index, due_ns, cursor))

    def _echo(self, body: bytes) -> None:
        """Answer the server's close frame with the same frame (RFC 6455, section 5.5.1)."""
        echo = Frame(Opcode.CLOSE, body).serialize(mask=True)
        self.outbox += echo
        self.counts.body_bytes_up += len(echo)

    def _end(self, close: Close | None) -> None:
        """Handle the server's close; None means that the server's bytes made the protocol fail."""
        if close is None:
            self._fail()
            return
        self._word = f"close-{int(close.code)}"
        if close.code in RESUMABLE:
            self._again = self.refused(close.reason.rpartition(" ")[2])
        else:
            self.failures += 1
        self._leave()
        self.action = Action.CLOSE

    def _fail(self) -> None:
        """End the connection because the server sent unusable bytes; the protocol has the close frame for
        it."""
        self._word = "bad-answer"
        self.failures += 1
        self._leave()
        self.action = Action.CLOSE

    def _leave(self) -> None:
        """Stop reading updates on this connection."""
        self._closing = True
        self._plain = False
        self._known = _ticks_of(None)
        self._flush()

    def _flush(self) -> None:
        """Move the bytes that the protocol has to send into the outbox."""
        if self._protocol is not None:
            for piece in self._protocol.data_to_send():
                self.outbox += piece
                self.counts.body_bytes_up += len(piece)


class Author(Client):
    """A client that also sends: each message is a text frame on its open connection, answered by a message.

    Both directions are independent: it sends whether or not anything is arriving, and waits for no response.
    """

    __slots__ = ("_begins", "outgoing")

    def __init__(
        self, spec: ClientSpec, options: Options, sink: Sink, rng: random.Random, outgoing: Outgoing
    ) -> None:
        super().__init__(spec, options, sink, rng)
        self.outgoing = outgoing
        self._begins: dict[int, int] = {}
        """The bytes of frames that were put into the outbox before a message, by its index; of this connection."""

    def receive(self, data: bytes, kernel_ns: int, app_ns: int) -> bool:
        """See `ClientMachine`."""
        super().receive(data, kernel_ns, app_ns)
        self._send_due(app_ns)
        return False

    def closed(self, now_ns: int, reason: str) -> None:
        """See `ClientMachine`. What was not answered is sent again on the next connection."""
        super().closed(now_ns, reason)   # takes back what was not sent
        left = self.counts.body_bytes_up
        self.outgoing.lost(sum(self._begins[uplink.index] >= left for uplink in self.outgoing.unanswered))
        self._begins.clear()

    def timer(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        super().timer(now_ns)
        self._send_due(now_ns)

    def _message(self, text: bytes, kernel_ns: int, app_ns: int, frame: bytes | None = None) -> None:
        """Process one message: the response to one of ours, a bare tick or a batch."""
        if not text.startswith(BEGINNINGS):
            super()._message(text, kernel_ns, app_ns, frame)
            return
        try:
            self.outgoing.answered(answer_of(text), app_ns)
        except ValueError:
            self._frames().fail(CloseCode.INVALID_DATA, "not a response")
            self._fail()

    def _send_due(self, now_ns: int) -> None:
        """Send every message that is due, if the connection is up; set the deadline."""
        if self.stopped:
            return
        if not self._up or self._closing:
            self.deadline_ns = self.reopen_ns
            return
        while (uplink := self.outgoing.take(now_ns)) is not None:
            frame = Frame(Opcode.TEXT, uplink.body).serialize(mask=True)
            self._begins[uplink.index] = self.counts.body_bytes_up
            self.outbox += frame
            self.counts.body_bytes_up += len(frame)
        self.deadline_ns = min(self.reopen_ns, self.outgoing.next_ns)


def two_way(
    spec: ClientSpec, options: Options, sink: Sink, rng: random.Random, outgoing: Outgoing
) -> tuple[ClientMachine, ...]:
    """Return a client that sends on its one connection; see `transports.TwoWay`."""
    return (Author(spec, options, sink, rng, outgoing),)
