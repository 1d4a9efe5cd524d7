from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest
from memory_transport import MemoryTransport, chassis_of, publish

from bench.serving.chassis import Chassis
from bench.serving.fanout import WRITE_BUFFER_BYTES
from bench.serving.openapi import OF_A_READ, OF_ANY_PATH
from bench.serving.responses import stream_head
from bench.serving.streams import LAST_CHUNK, Stream, Streaming, Streams
from bench.wire.contract import Batch, Cursor, Refusal, Request, Subscription
from bench.wire.options import PushWire

FROM_NOW = Request(Subscription(), None)
SITE = "https://ticker.example"


class Plain:
    """A format of the tests: numbers in brackets."""

    headers: Mapping[str, str] = {"Content-Type": "text/plain"}
    heartbeat_s = 10.0

    def __init__(self, coding: str = "none") -> None:
        self.options = PushWire()
        self.coding = coding

    def resumed(self, asked: Request, last_event_id: str | None) -> Request:
        return asked if last_event_id is None else Request(asked.subscription, Cursor.parse(last_event_id))

    def first(self, batch: Batch, coding: str) -> bytes:
        return b"<" + self.push(batch, coding)

    def push(self, batch: Batch, coding: str) -> bytes:
        return b"[" + coding.encode() + b" " + b",".join(batch.ticks) + b"]"

    def heartbeat(self, coding: str) -> bytes:
        return b"."

    def refusal(self, refusal: Refusal, after: Cursor | None, coding: str, begins: bool) -> bytes | None:
        if begins and refusal.code == "bad-cursor":
            return None
        return b"!" + refusal.code.encode()


class Carrier:
    """A connection of the tests."""

    def __init__(self) -> None:
        self.wire = MemoryTransport()
        self.transport: asyncio.Transport | None = self.wire
        self.stream: Stream | None = None
        self.is_over = False

    def carry(self, stream: Stream) -> None:
        self.stream = stream

    def stream_ended(self) -> None:
        self.is_over = True


def run(act: Callable[[Chassis, Streams], Any], coding: str = "none", **config: Any) -> None:
    async def inside() -> None:
        chassis = chassis_of("streaming", **config)
        act(chassis, Streams(chassis, Plain(coding)))

    asyncio.run(inside())


def begun(streams: Streams, asked: Request = FROM_NOW, **headers: str) -> Carrier:
    carrier = Carrier()
    streams.begin(carrier, asked, lambda name: headers.get(name.replace("-", "_")), None)
    return carrier


def body(carrier: Carrier) -> bytes:
    return carrier.wire.written.partition(b"\r\n\r\n")[2]


def test_a_stream_begins_with_its_head_and_first_chunk_and_goes_on_with_pushes() -> None:
    def act(chassis: Chassis, streams: Streams) -> None:
        publish(chassis, "AAA", "BBB")
        late, new = begun(streams, Request(Subscription(), Cursor("e1", 1))), begun(streams)
        publish(chassis, "AAA")
        assert (body(late), body(new)) == (b"<[none 2][none 3]", b"<[none ][none 3]")
        head = late.wire.written.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        assert len(head) == len(stream_head(PushWire(), Plain.headers))
        assert late.wire.high == WRITE_BUFFER_BYTES
        assert chassis.counts.deliveries == 3

    run(act)


def test_the_last_event_counts_in_place_of_the_query() -> None:
    def act(chassis: Chassis, streams: Streams) -> None:
        publish(chassis, "AAA", "BBB")
        assert body(begun(streams, FROM_NOW, Last_Event_ID="e1:1")) == b"<[none 2]"

    run(act)


def test_a_refusal_is_a_stream_of_its_own_or_an_http_error_as_the_format_says() -> None:
    def act(chassis: Chassis, streams: Streams) -> None:
        refused = begun(streams, FROM_NOW, Last_Event_ID="e0:1")
        assert body(refused) == b"!other-epoch" + LAST_CHUNK
        assert refused.stream is None
        with pytest.raises(Refusal):
            begun(streams, FROM_NOW, Last_Event_ID="e1:9")
        assert chassis.counts.refused == {"other-epoch": 1}

    run(act)


def test_a_service_describes_as_http_errors_only_what_its_format_leaves_out_of_streams() -> None:
    document = Streaming(chassis_of("streaming"), Plain()).description
    assert document is not None
    answers = orjson.loads(document)["paths"]["/ticks"]["get"]["responses"]
    errors = {code for status in set(answers) - {"200"} for code in answers[status]["description"].split(", ")}
    assert errors == {*OF_ANY_PATH, "bad-cursor"}
    assert answers["200"]["description"].endswith(f": {', '.join(OF_A_READ[1:])}.")


def test_streams_are_compressed_for_those_who_accept_it() -> None:
    def act(chassis: Chassis, streams: Streams) -> None:
        pressed, plain = begun(streams, Accept_Encoding="br, gzip"), begun(streams)
        publish(chassis, "AAA")
        assert (body(pressed), body(plain)) == (b"<[gzip ][gzip 1]", b"<[none ][none 1]")
        assert b"Content-Encoding: gzip\r\n" in pressed.wire.written
        assert b"Content-Encoding" not in plain.wire.written

    run(act, coding="gzip")


def test_a_congested_stream_goes_on_once_it_drains() -> None:
    async def inside() -> None:
        chassis = chassis_of("streaming")
        streams = Streams(chassis, Plain())
        slow = begun(streams)
        assert slow.stream is not None
        slow.stream.pause()
        publish(chassis, "AAA")
        publish(chassis, "BBB")
        assert body(slow) == b"<[none ]"
        slow.stream.resume()
        await asyncio.sleep(0)
        assert body(slow) == b"<[none ][none 1,2]"

    asyncio.run(inside())


@pytest.mark.parametrize("reads", [True, False])
def test_a_stream_that_is_refused_names_the_reason_and_ends(reads: bool) -> None:
    async def inside() -> None:
        chassis = chassis_of("streaming", limits={"close_s": 0.001})
        streams = Streams(chassis, Plain())
        carrier = begun(streams)
        if not reads:
            assert carrier.stream is not None
            carrier.stream.pause()
        streams.stop()
        assert body(carrier).endswith(b"!stopping" + LAST_CHUNK)
        assert carrier.is_over
        assert streams.fanout.members() == []
        assert chassis.counts.refused == {"stopping": 1}
        while not carrier.wire.aborted:
            await asyncio.sleep(0.001)

    asyncio.run(inside())


def test_a_client_that_closes_its_side_gets_the_end_of_the_stream_and_one_that_is_lost_nothing() -> None:
    def act(chassis: Chassis, streams: Streams) -> None:
        ended, lost = begun(streams), begun(streams)
        assert ended.stream is not None
        assert lost.stream is not None
        ended.stream.ended()
        lost.stream.lost()
        publish(chassis, "AAA")
        assert (body(ended), body(lost)) == (b"<[none ]" + LAST_CHUNK, b"<[none ]")
        assert (ended.is_over, chassis.counts.deliveries) == (True, 0)

    run(act)


def test_a_heartbeat_is_written_where_nothing_was_for_long() -> None:
    def act(chassis: Chassis, streams: Streams) -> None:
        quiet, busy, stuck = (begun(streams, Request(Subscription(symbols), None)) for symbols in (
            frozenset({"AAA"}), frozenset({"BBB"}), frozenset({"AAA"})))
        assert stuck.stream is not None
        stuck.stream.pause()
        for now_s in range(0, 25, 5):
            publish(chassis, "BBB")
            streams.fanout.heartbeat(float(now_s), 10.0, lambda coding: b".")
        assert (body(quiet).count(b"."), body(busy).count(b"."), body(stuck).count(b".")) == (1, 0, 0)

    run(act)


def test_an_allowed_page_may_read_the_stream() -> None:
    def act(chassis: Chassis, streams: Streams) -> None:
        carrier = Carrier()
        streams.begin(carrier, FROM_NOW, lambda name: None, SITE)
        assert f"Access-Control-Allow-Origin: {SITE}\r\n".encode() in carrier.wire.written

    run(act)
