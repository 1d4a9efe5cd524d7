"""The sizes on the wire, against the encoders."""

from __future__ import annotations

import numpy as np
import pytest

from bench.serving.responses import stream_head
from bench.transports.sse import model
from bench.transports.sse.protocol import HEADERS, Options, first_chunk, hello_event, push_chunk
from bench.wire.contract import Batch
from bench.wire.sizes import Conversation, Sizes, columns, traffic

LINE = b'{"index":41,"seq":42,"due_ns":4100000000,"symbol":"AAA","price":23.82,"size":100}'
SAID = Conversation((LINE,) * 40)


def body_bytes(sizes: Sizes, ticks: int, messages: int) -> float:
    counts = {"updates": [ticks], "payload_bytes": [ticks * len(LINE)], "answers": [messages]}
    return float(columns(sizes, traffic(sizes, counts))["body_bytes_down"][0])


@pytest.mark.parametrize("padding", [0, 500])
def test_a_bare_tick_and_a_batch_are_as_large_as_the_encoder_makes_them(padding: int) -> None:
    line = LINE.replace(b'"AAA"', b'"A%b"' % (b"A" * padding))
    said = Conversation((line,) * 40)
    sizes = model.wire(Options(), said)
    for ticks in (1, 2, 30):
        counts = {"updates": [ticks], "payload_bytes": [ticks * len(line)], "answers": [1]}
        found = columns(sizes, traffic(sizes, counts))
        assert found["body_bytes_down"] == len(push_chunk(Batch(said.cursor, (line,) * ticks)))


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_event_is_as_large_as_the_encoder_makes_it(coding: str) -> None:
    options = Options(compression=coding)   # type: ignore[arg-type]
    sizes = model.wire(options, SAID)
    for ticks in (1, 2, 32):
        batch = Batch(SAID.cursor, (LINE,) * ticks)
        assert body_bytes(sizes, ticks, 1) == len(push_chunk(batch, deflate=True))
    assert body_bytes(sizes, 32, 1) < body_bytes(model.wire(Options(), SAID), 32, 1) / 5
    counts = {"updates": [1], "payload_bytes": [len(LINE)], "answers": [1]}
    expanded = columns(sizes, traffic(sizes, counts))["expanded_bytes_down"]
    plain = push_chunk(Batch(SAID.cursor, (LINE,)))
    assert expanded == len(plain) - 6, "the event without its chunk, whose size has two digits"


def test_a_new_connection_brings_a_head_and_a_first_event() -> None:
    sizes = model.wire(Options(), SAID)
    counts = {"updates": [0], "connections": [1]}
    found = {name: float(np.sum(value)) for name, value in columns(sizes, traffic(sizes, counts)).items()}
    assert found["header_bytes_down"] == len(stream_head(Options(), HEADERS))
    assert found["body_bytes_down"] == len(first_chunk(Options(), hello_event(Batch(SAID.cursor))))
