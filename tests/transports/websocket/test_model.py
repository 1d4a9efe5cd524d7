"""The WebSocket's model has a push's forms, and sizes of its own."""

from __future__ import annotations

import pytest

from bench.transports import pushing
from bench.transports.websocket import model
from bench.transports.websocket.protocol import Options, push_frame
from bench.wire.contract import Batch, Cursor
from bench.wire.sizes import Conversation, columns, traffic

LINE = b'{"index":41,"seq":42,"due_ns":4100000000,"symbol":"AAA","price":23.82,"size":100}'


def test_its_times_are_those_of_every_push() -> None:
    assert model.latency_mean_s is pushing.latency_mean_s
    assert model.server_s is pushing.server_s


@pytest.mark.parametrize("ticks", [1, 2, 40])
def test_a_message_has_the_size_of_the_servers_frame(ticks: int) -> None:
    sizes = model.wire(Options(), Conversation((LINE,)))
    frame = push_frame(Batch(Cursor("0000", 100), (LINE,) * ticks))
    counts = {"updates": [ticks], "answers": [1], "payload_bytes": [ticks * len(LINE)], "bare": [ticks == 1]}
    assert columns(sizes, traffic(sizes, counts))["body_bytes_down"] == [len(frame)]
