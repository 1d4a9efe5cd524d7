from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import Protocol, Side, State
from websockets.utils import accept_key

from bench.clock import NO_STAMP
from bench.feed.tick import Tick, encode
from bench.measure.recording import Recorder
from bench.transports import Action, ClientSpec
from bench.transports.outgoing import Outgoing, Uplink
from bench.transports.websocket import client as module
from bench.transports.websocket.client import Author, Client, frame_size
from bench.transports.websocket.protocol import Deflate, Options, message_frame
from bench.wire.contract import Batch, Cursor, Subscription, encode_batch

HELLO = encode_batch(Batch(Cursor("a", 7)))


def tick(index: int, levels: int = 0) -> bytes:
    return encode(Tick(index, index + 1, index * 1000, "AAA", 1.0, 1, bids=((1.0, 1),) * levels))


def frame(opcode: Opcode, data: bytes, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=False)


def text(data: bytes) -> bytes:
    return frame(Opcode.TEXT, data)


class Bench:
    """A client, the server's side of its protocol, and what it recorded."""

    def __init__(self, options: Options | None = None) -> None:
        self.recorder = Recorder()
        spec = ClientSpec(3, "h:1", Subscription())
        self.client = Client(spec, options or Options(), self.recorder, random.Random(1))
        self.client.start(0)
        self.open()

    def open(self) -> str:
        """Open a connection; the request that comes over it."""
        assert self.action() is Action.OPEN
        self.client.opened(0)
        request = self.sent().decode()
        key = request.split("Sec-WebSocket-Key: ")[1].split("\r\n")[0]
        self.accepted = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
        ).encode()
        self.server = Protocol(Side.SERVER, state=State.OPEN)
        return request

    def action(self) -> Action:
        action, self.client.action = self.client.action, Action.NONE
        return action

    def sent(self) -> bytes:
        data = bytes(self.client.outbox)
        self.client.outbox.clear()
        return data

    def frames_sent(self) -> list[Frame]:
        """Return what the client sent, as a server reads it: masked, or this raises."""
        self.server.receive_data(self.sent())
        assert self.server.parser_exc is None
        return [event for event in self.server.events_received() if isinstance(event, Frame)]

    def receive(self, data: bytes, app_ns: int = 5) -> None:
        self.client.receive(data, 3, app_ns)

    def upgraded(self) -> Bench:
        self.receive(self.accepted + text(HELLO))
        assert self.client.subscribed
        return self

    def indices(self) -> list[int]:
        return [int(row["index"]) for row in next(self.recorder.deliveries_since(0))]


def stream() -> tuple[bytes, list[int], list[bytes]]:
    """Return frames of all kinds; the indices that they deliver and the pings that they hold."""
    long = tick(20, levels=30)
    huge = encode_batch(Batch(Cursor("a", 2000), [tick(index) for index in range(1000, 1900)]))
    parts = [
        text(HELLO), text(tick(10)), text(tick(11)), frame(Opcode.PING, b"one"), text(long),
        frame(Opcode.TEXT, tick(12)[:9], fin=False), frame(Opcode.PING, b"two"),
        frame(Opcode.CONT, tick(12)[9:20], fin=False), frame(Opcode.CONT, tick(12)[20:]),
        text(huge), frame(Opcode.PONG, b""), frame(Opcode.BINARY, tick(13)), frame(Opcode.PING, b""),
        text(encode_batch(Batch(Cursor("a", 2010), [tick(14)], conflated={"AAA": 2}))),
        text(tick(15)),
    ]
    assert len(huge) > 65_536
    return b"".join(parts), [10, 11, 20, 12, *range(1000, 1900), 13, 14, 15], [b"one", b"two", b""]


@settings(max_examples=60, deadline=None)
@given(places=st.lists(st.integers(0, 100_000), max_size=30), glued=st.booleans())
def test_however_the_stream_is_cut_the_same_is_delivered_and_ponged(places: list[int], glued: bool) -> None:
    bench = Bench()
    frames, indices, pings = stream()
    data = bench.accepted + frames
    early = [place % 400 for place in places[:5]]
    pongs = []
    pieces = _cut(data, [*places, *early] if glued else [*places, *early, len(bench.accepted)])
    for piece in pieces:
        bench.receive(piece)
        pongs += [bytes(pong.data) for pong in bench.frames_sent() if pong.opcode is Opcode.PONG]
    counts = bench.client.counts
    assert bench.indices() == indices
    assert pongs == pings
    assert counts.updates == len(indices)
    assert (counts.header_bytes_down, counts.body_bytes_down) == (len(bench.accepted), len(frames))
    assert bench.client.cursor == Cursor("a", 16)
    assert not counts.errors


@pytest.mark.parametrize(("left", "sends"), [(0, [0, 0]), (10, [1, 0]), (80, [1, 1]), (132, [1, 1])])
def test_a_message_that_never_left_was_not_sent(left: int, sends: list[int]) -> None:
    outgoing = Outgoing(random.Random(1))
    bench = Bench()
    spec = ClientSpec(3, "h:1", Subscription())
    bench.client = author = Author(spec, Options(), bench.recorder, random.Random(1), outgoing)
    author.start(0)
    bench.open()
    bench.upgraded()
    bench.sent()
    outgoing.plan([Uplink(index, 6, b"x" * 60) for index in range(2)])
    author.timer(7)
    assert len(author.outbox) == 2 * (6 + 60)
    author.receive(frame(Opcode.PING, b"p" * 100), 8, 8)
    assert len(author.outbox) == 2 * (6 + 60) + 6 + 100   # its pong did not leave either
    del author.outbox[:left]   # the rest had not left
    author.closed(8, "reset")
    assert [uplink.sends for uplink in outgoing.uplinks] == sends
    assert [uplink.sent_ns for uplink in outgoing.uplinks] == [7 if sent else None for sent in sends]
    assert author.counts.body_bytes_up == left


def test_compact_ticks_bare_and_in_batches() -> None:
    bench = Bench().upgraded()
    bench.receive(text(b'[10,11,23.82,100,"AAA"]'))
    assert bench.client.cursor == Cursor("a", 11)
    lines = [b'[11,12,23.83,100,"AAA"]', b'[12,13,23.84,100,"AAB"]']
    bench.receive(text(encode_batch(Batch(Cursor("a", 13), lines))))
    assert bench.indices() == [10, 11, 12]
    assert {int(row["due_ns"]) for row in next(bench.recorder.deliveries_since(0))} == {NO_STAMP}
    bench.receive(text(b"[1,2]"))
    assert bench.client.counts.errors == {}   # counted when the connection is over
    assert bench.action() is Action.CLOSE


def test_a_stream_that_comes_byte_by_byte_delivers_the_same() -> None:
    bench = Bench()
    frames, indices, _ = stream()
    for byte in bench.accepted + frames:
        bench.receive(bytes([byte]))
    assert bench.indices() == indices


def _cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(ends)]


@pytest.mark.parametrize("data", [
    b"\x83\x00",                                   # an opcode that is none
    b"\xc1\x02{}",                                 # a reserved bit
    b"\x81\x82abcd{}",                             # masked by a server
    b"\x89\x7e\x00\x80" + b"x" * 128,              # a control frame that is too long
    frame(Opcode.CONT, b"x"),                      # nothing to go on with
    frame(Opcode.TEXT, b"{", fin=False) + text(tick(1)),   # a message within a message
    b"\x81\x7f" + (2**40).to_bytes(8, "big"),      # too big
    text(b"\xff\xfe"),                             # not UTF-8
    text(b"[1]"),
    text(b"{}"),
    text(b'{"seq":1}'),
    text(b'{"seq":"1","index":-1,"due_ns":0}'),
    frame(Opcode.CLOSE, b"\x03"),                  # a close frame without a whole code
])
def test_bad_frames_end_the_connection_and_deliver_nothing_more(data: bytes) -> None:
    bench = Bench().upgraded()
    bench.receive(text(tick(10)))
    bench.receive(data)
    bench.receive(text(tick(11)))
    assert bench.indices() == [10]
    assert bench.action() is Action.CLOSE
    closes = [sent for sent in bench.frames_sent() if sent.opcode is Opcode.CLOSE]
    assert len(closes) == 1
    bench.client.closed(9, "closed")
    assert bench.client.counts.errors == {"bad-answer": 1}
    bench.client.timer(bench.client.deadline_ns)
    assert bench.open().startswith("GET /ticks?after=a:11 ")
    bench.upgraded()
    bench.receive(text(tick(12)))
    assert bench.indices() == [10, 12]


def test_a_whole_message_within_a_fragmented_one_is_not_let_through_by_the_fast_path() -> None:
    bench = Bench().upgraded()
    bench.receive(frame(Opcode.TEXT, b"{", fin=False))
    bench.receive(text(tick(11)))
    assert bench.indices() == []
    bench.client.closed(9, "closed")
    assert bench.client.counts.errors == {"bad-answer": 1}


def test_a_bare_tick_before_the_first_batch_is_a_bad_answer() -> None:
    bench = Bench()
    bench.receive(bench.accepted + text(tick(10)))
    assert bench.indices() == []
    assert not bench.client.subscribed
    bench.client.closed(9, "closed")
    assert bench.client.counts.errors == {"bad-answer": 1}


@pytest.mark.parametrize("code", [4008, 4009, 4010])
def test_a_close_that_names_a_cursor_is_followed_at_once(code: int) -> None:
    bench = Bench().upgraded()
    bench.receive(frame(Opcode.CLOSE, Close(code, "other-epoch b:40").serialize()))
    assert bench.action() is Action.CLOSE
    assert [sent.opcode for sent in bench.frames_sent()] == [Opcode.CLOSE]
    bench.client.closed(9, "eof")
    assert bench.client.counts.errors == {f"close-{code}": 1}
    assert bench.open().startswith("GET /ticks?after=b:40 ")


def test_other_ends_go_on_from_the_cursor_after_a_pause() -> None:
    bench = Bench().upgraded()
    bench.receive(text(tick(30)))
    bench.receive(frame(Opcode.CLOSE, Close(1001, "stopping").serialize()))
    assert bench.action() is Action.CLOSE
    assert [sent.opcode for sent in bench.frames_sent()] == [Opcode.CLOSE]
    bench.client.closed(9, "eof")
    assert bench.action() is Action.NONE
    assert bench.client.deadline_ns >= 9 + 50_000_000
    bench.client.timer(bench.client.deadline_ns)
    assert bench.open().startswith("GET /ticks?after=a:31 ")
    bench.client.closed(9, "reset")
    assert bench.client.counts.errors == {"close-1001": 1, "reset": 1}


@pytest.mark.parametrize(("status", "body", "target"), [
    (403, b"", "GET /ticks HTTP"),
    (503, b"", "GET /ticks HTTP"),
    (409, b'{"resume":"b:3"}', "GET /ticks?after=b:3 "),
])
def test_an_upgrade_that_is_refused(status: int, body: bytes, target: str) -> None:
    bench = Bench()
    bench.receive(b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
    assert bench.action() is Action.CLOSE
    bench.client.closed(9, "closed")
    assert bench.client.counts.errors == {f"http-{status}": 1}
    if status != 409:
        bench.client.timer(bench.client.deadline_ns)
    assert bench.open().startswith(target)


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
    b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    b"nonsense\r\n\r\n",
])
def test_an_upgrade_to_something_else_is_a_bad_answer(answer: bytes) -> None:
    bench = Bench()
    bench.receive(answer + text(HELLO))
    assert bench.action() is Action.CLOSE
    assert not bench.client.subscribed
    bench.client.closed(9, "closed")
    assert bench.client.counts.errors == {"bad-answer": 1}


@pytest.mark.parametrize("late", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 503 Bye\r\nContent-Length: 0\r\n\r\n",
    b"no HTTP", None,
])
def test_an_upgrade_that_is_served_after_stop_is_counted_and_not_judged(late: bytes | None) -> None:
    bench = Bench()
    bench.client.stop(1)
    assert bench.action() is Action.CLOSE
    came = late or bench.accepted + text(HELLO) + text(tick(10))
    bench.receive(came)
    bench.client.closed(2, "reset")
    counts = bench.client.counts
    assert (counts.errors, counts.responses, bench.indices(), bench.action()) == ({}, 0, [], Action.NONE)
    assert counts.header_bytes_down + counts.body_bytes_down == len(came)


def test_frames_that_never_left_are_taken_off_the_counts() -> None:
    bench = Bench().upgraded()
    before = bench.client.counts.body_bytes_up
    bench.receive(frame(Opcode.PING, b"one"))
    assert bench.client.counts.body_bytes_up > before
    header = bench.client.counts.header_bytes_up
    bench.client.closed(6, "reset")   # with the pong in the outbox
    assert (bench.client.counts.body_bytes_up, bench.client.counts.header_bytes_up) == (before, header)


@pytest.mark.parametrize(("code", "answered"), [(1000, 1), (1001, 0)])
def test_stop_says_goodbye_and_waits_for_the_answer(code: int, answered: int) -> None:
    bench = Bench().upgraded()
    bench.client.stop(9)
    (goodbye,) = bench.frames_sent()
    assert goodbye.opcode is Opcode.CLOSE
    assert Close.parse(goodbye.data).code == 1000
    assert bench.action() is Action.NONE
    bench.receive(text(tick(11)))
    bench.receive(frame(Opcode.CLOSE, Close(code, "").serialize()))
    assert bench.action() is Action.CLOSE
    bench.client.closed(9, "closed")
    assert bench.action() is Action.NONE
    assert not bench.client.counts.errors
    assert (bench.client.counts.goodbyes, bench.client.counts.goodbyes_answered) == (1, answered)
    assert bench.sent() == b""


@given(st.integers(0, 70_000), st.booleans())
def test_the_size_of_a_frame_is_known_from_its_header(length: int, masked: bool) -> None:
    whole = bytearray(Frame(Opcode.TEXT, b"x" * length).serialize(mask=masked))
    assert frame_size(whole, 0) == len(whole)
    assert frame_size(bytearray(b"!") + whole, 1) == len(whole)
    assert frame_size(whole[:1], 0) is None


COMPRESSED = Options(compression="permessage-deflate")


def agreeing(bench: Bench, extensions: str) -> bytes:
    return bench.accepted.replace(b"\r\n\r\n", f"\r\nSec-WebSocket-Extensions: {extensions}\r\n\r\n".encode())


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3000), max_size=10))
def test_compressed_messages_are_delivered_and_counted_however_they_are_cut(places: list[int]) -> None:
    bench = Bench(COMPRESSED)
    bench.receive(agreeing(bench, "permessage-deflate; server_no_context_takeover"))
    batch = encode_batch(Batch(Cursor("a", 12), [tick(index) for index in range(20)]))
    whole, small = message_frame(batch, Deflate()), text(tick(20))
    first, second = whole[4:200], whole[200:]
    begin = frame(Opcode.TEXT, first, fin=False)
    pieces = bytes([begin[0] | 0x40]) + begin[1:]   # RSV1, on the first frame only
    pieces += frame(Opcode.PING, b"between") + frame(Opcode.CONT, second)
    raw = whole + small + pieces
    ends = sorted({place % (len(raw) + 1) for place in places} | {0, len(raw)})
    for start, end in pairwise(ends):
        bench.receive(raw[start:end])
    counts = bench.client.counts
    assert counts.updates == 41
    assert counts.compressed_bytes_down == 2 * (len(whole) - 4)
    assert counts.expanded_bytes_down == 2 * len(batch)
    assert counts.body_bytes_down == len(raw)
    assert not counts.errors


def test_a_server_may_keep_its_context() -> None:
    bench = Bench(COMPRESSED)
    bench.receive(agreeing(bench, "permessage-deflate"))
    deflate = PerMessageDeflate(False, False, 15, 15)
    sizes = []
    for index in range(5):
        batch = encode_batch(Batch(Cursor("a", index + 1), [tick(index)]))
        sent = Frame(Opcode.TEXT, batch).serialize(mask=False, extensions=[deflate])
        sizes.append(len(sent))
        bench.receive(sent)
    assert bench.client.counts.updates == 5
    assert sizes[-1] < sizes[0] / 2


@pytest.mark.parametrize(("options", "extensions"), [
    (Options(), "permessage-deflate"),
    (COMPRESSED, "x-unknown"),
    (COMPRESSED, "permessage-deflate; server_max_window_bits=99"),
    (COMPRESSED, "permessage-deflate, permessage-deflate"),
])
def test_an_extension_that_was_not_offered_is_a_bad_answer(options: Options, extensions: str) -> None:
    bench = Bench(options)
    bench.receive(agreeing(bench, extensions))
    assert bench.action() is Action.CLOSE
    bench.client.closed(1, "closed")
    assert bench.client.counts.errors == {"bad-answer": 1}


@pytest.mark.parametrize(("options", "offers"), [
    (Options(), False), (COMPRESSED, True), (Options(headers="browser"), True),
])
def test_compression_is_offered_where_it_is_wanted_and_where_a_browser_does(
    options: Options, offers: bool
) -> None:
    client = Client(ClientSpec(0, "h:1", Subscription()), options, Recorder(), random.Random(1))
    client.start(0)
    client.opened(0)
    assert (b"Sec-WebSocket-Extensions: permessage-deflate" in client.outbox) is offers


def test_what_one_client_has_parsed_another_takes_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes of a tick are the same for all clients; only the first that gets them reads their JSON."""
    first, second, of_b = Bench().upgraded(), Bench().upgraded(), Bench()
    of_b.receive(of_b.accepted + text(encode_batch(Batch(Cursor("b", 7)))))
    assert not first.client.receive(text(tick(400)), 3, 5)
    monkeypatch.setattr(module, "message_of", None)
    assert second.client.receive(text(tick(400)), 3, 5)   # nothing else to do for the driver
    for client in (first.client, second.client):
        assert client.cursor == Cursor("a", 401)
        assert client.counts.updates == 1
        assert client.counts.body_bytes_down == len(text(HELLO) + text(tick(400)))
    assert [next(each.recorder.deliveries_since(0)).tolist() for each in (first, second)] == [
        [(3, 400, 400_000, 3, 5)]] * 2
    monkeypatch.undo()
    of_b.receive(text(tick(400)))
    assert of_b.client.cursor == Cursor("b", 401)   # a cursor is of the connection's own epoch


def test_of_a_burst_in_one_read_each_tick_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the reads of another client were cut; what has no end yet waits for the next read."""
    first, second, skipping = Bench().upgraded(), Bench().upgraded(), Bench().upgraded()
    skipping.receive(text(encode_batch(Batch(Cursor("a", 400), dropped={"AAA": 5}))))
    burst = [text(tick(number)) for number in range(501, 506)]
    first.receive(burst[0] + burst[1])
    first.receive(burst[2] + burst[3] + burst[4])
    monkeypatch.setattr(module, "message_of", None)
    second.receive(b"".join(burst[:4]) + burst[4][:20])
    second.receive(burst[4][20:])
    assert first.indices() == second.indices() == [501, 502, 503, 504, 505]
    assert first.client.counts == second.client.counts
    assert first.client.cursor == second.client.cursor == Cursor("a", 506)
    monkeypatch.undo()
    skipping.receive(b"".join(burst))
    assert skipping.indices() == first.indices()
    assert [tuple(row)[1:3] for row in next(skipping.recorder.skips_since(0))] == [(501, 5)]


def test_a_tick_that_was_parsed_before_is_judged_by_the_clients_own_state() -> None:
    known = text(tick(401))
    Bench().upgraded().receive(known)
    early = Bench()
    early.receive(early.accepted)
    early.receive(known)   # before the first batch
    assert early.indices() == []
    assert early.action() is Action.CLOSE
    skipping = Bench().upgraded()
    skipping.receive(text(encode_batch(Batch(Cursor("a", 400), dropped={"AAA": 5}))))
    skipping.receive(known)
    assert [tuple(row)[1:3] for row in next(skipping.recorder.skips_since(0))] == [(401, 5)]
    leaving, cut_off = Bench().upgraded(), Bench().upgraded()
    leaving.client.stop(1)
    cut_off.client.closed(1, "reset")
    for each in (leaving, cut_off):
        each.receive(known)
        assert each.indices() == []
    assert skipping.indices() == [401]
