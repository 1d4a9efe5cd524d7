"""The sizes on the wire, against the encoders."""

from __future__ import annotations

import pytest

from bench.transports.websocket import model
from bench.transports.websocket.protocol import Compressor, Options, push_frame
from bench.wire.contract import Batch, Cursor, encode_batch
from bench.wire.sizes import Conversation, columns, traffic

LINES = tuple(b'{"index":%d,"seq":%d,"due_ns":%d,"symbol":"AAA","price":23.%02d,"size":%d}' % (
    index, index + 1, 41_000_000 * index, index * 37 % 100, index * 71 % 900) for index in range(1000, 1200))
KEEPS = Options(compression="permessage-deflate", context_takeover=True)
LINE = b'{"index":41,"seq":42,"due_ns":4100000000,"symbol":"AAA","price":23.82,"size":100}'


@pytest.mark.parametrize("ticks", [1, 2, 40])
def test_a_message_has_the_size_of_the_servers_frame(ticks: int) -> None:
    sizes = model.wire(Options(), Conversation((LINE,)))
    frame = push_frame(Batch(Cursor("0000", 100), (LINE,) * ticks))
    counts = {"updates": [ticks], "answers": [1], "payload_bytes": [ticks * len(LINE)], "bare": [ticks == 1]}
    assert columns(sizes, traffic(sizes, counts))["body_bytes_down"] == [len(frame)]


@pytest.mark.parametrize("ticks", [1, 2, 40])
def test_with_a_kept_window_messages_have_the_size_that_a_compressor_gives_them_in_turn(ticks: int) -> None:
    sizes = model.wire(KEEPS, Conversation(LINES))
    compressor = Compressor()
    assert len(compressor.frame(encode_batch(Batch(Cursor("0000", 100))))) == sizes.greeting_bytes
    frames = [compressor.frame(LINES[begin] if ticks == 1 else encode_batch(
        Batch(Cursor("0000", begin + ticks), LINES[begin:begin + ticks]))) for begin in range(0, len(LINES), ticks)]
    later = frames[len(frames) // 2:]
    total = sum(map(len, LINES)) * len(later) * ticks / len(LINES)
    counts = {"updates": [len(later) * ticks], "answers": [len(later)], "payload_bytes": [total],
              "bare": [len(later) * (ticks == 1)]}
    found = columns(sizes, traffic(sizes, counts))
    assert found["body_bytes_down"][0] == pytest.approx(sum(map(len, later)), rel=0.05)
    assert found["body_bytes_down"][0] < 0.7 * total


def test_a_kept_window_makes_messages_smaller_the_more_the_smaller_they_are() -> None:
    said = Conversation(LINES)
    alone, kept = (dict(model.wire(options, said).pressed) for options in (
        Options(compression="permessage-deflate"), KEEPS))
    gains = [alone[count] / kept[count] for count in (1, 4, 16, 64)]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 2
