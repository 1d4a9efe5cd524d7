"""The laws of the byte columns: they add up, they scale, and the kernel's rules for acknowledgements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import transports
from bench.records.trial_record import COUNTED_BY_KERNEL, OPENING_AND_CLOSING
from bench.stats.trial.bytes import PARTS, byte_parts
from bench.wire.sizes import DELAYED_ACK_S, Conversation, Sizes, columns, traffic

LINE = b'{"index":41,"seq":42,"due_ns":4100000000,"symbol":"AAA","price":23.82,"size":100}'
SAID = Conversation((LINE,) * 40)
KNOBS: list[tuple[str, dict[str, Any]]] = [
    ("short_polling", {}), ("short_polling", {"connection": "new", "tls": True, "headers": "heavy"}),
    ("short_polling", {"compression": "gzip", "entity_tags": False}),
    ("long_polling", {}), ("long_polling", {"connection": "new"}), ("long_polling", {"tls": True}),
    ("websocket", {}), ("websocket", {"tls": True, "compression": "permessage-deflate"}),
    ("websocket", {"compression": "permessage-deflate", "context_takeover": True}),
]


def sizes_of(name: str, own: dict[str, Any]) -> Sizes:
    options = transports.options_of(name, own, "scenario.toml", "transports.it")
    sizes: Sizes = transports.model_of(name).wire(options, SAID)
    return sizes


def counts_of(sizes: Sizes, answers: int, more: int, empty: int) -> dict[str, Any]:
    """Return counts of one client that go together."""
    updates = answers + more * bool(answers)
    requests = 0 if sizes.pushes else answers + empty
    found: dict[str, Any] = {
        "updates": [updates], "payload_bytes": [updates * len(LINE)], "requests": [requests],
        "responses": [requests], "answers_empty": [0 if sizes.pushes else empty],
        "connections": [requests if sizes.new_connection else 0], "request_duration_ns": [requests * 10**8],
    }
    if sizes.pushes:
        found |= {"answers": [answers]}
        del found["responses"]
    return found


@settings(deadline=None)   # TLS shakes hands once
@given(st.sampled_from(KNOBS), st.integers(0, 500), st.integers(0, 300), st.integers(0, 500))
def test_the_parts_add_up_to_the_whole(
    knob: tuple[str, dict[str, Any]], answers: int, more: int, empty: int
) -> None:
    sizes = sizes_of(*knob)
    counts = counts_of(sizes, answers, more, empty)
    found = {name: float(value[0]) for name, value in columns(sizes, traffic(sizes, counts)).items()}
    assert found.keys() >= {*COUNTED_BY_KERNEL, *OPENING_AND_CLOSING}
    parts = byte_parts(found | {"connections": counts["connections"][0]}, counts["payload_bytes"][0])
    for direction in ("up", "down"):
        of = {part: parts[f"{part}_bytes_{direction}"] for part in PARTS}
        assert all(value > -1e-6 for value in of.values() if not math.isnan(value)), of
        total = sum(value for value in of.values() if not math.isnan(value))
        assert total == pytest.approx(parts[f"bytes_{direction}"], abs=1e-6)
        assert (of["tls"] > 0.5) == (sizes.tls and found[f"data_segments_{direction}"] > 0)


@settings(deadline=None)   # TLS shakes hands once
@given(st.sampled_from(KNOBS), st.integers(1, 50), st.integers(0, 30), st.integers(1, 50), st.integers(2, 9))
def test_what_happens_so_many_times_takes_as_many_bytes(
    knob: tuple[str, dict[str, Any]], answers: int, more: int, empty: int, times: int
) -> None:
    sizes = sizes_of(*knob)
    counts = counts_of(sizes, answers, more, empty)
    once = columns(sizes, traffic(sizes, counts))
    often = columns(sizes, traffic(sizes, {name: np.array(it) * times for name, it in counts.items()}))
    for name in ("bytes_up", "bytes_down", "segments_up", "segments_down", "body_bytes_down"):
        assert often[name] == pytest.approx(times * once[name]), name


def bare(sizes: Sizes, **counts: Any) -> tuple[float, float]:
    """Return bare acknowledgements, up and down."""
    found = columns(sizes, traffic(sizes, {name: [value] for name, value in counts.items()}))
    up, down = (
        float((found[f"segments_{way}"] - found[f"data_segments_{way}"]
               - found[f"control_segments_{way}"])[0]) for way in ("up", "down"))
    return up, down


POLLS = {
    "updates": 50, "payload_bytes": 50 * len(LINE), "requests": 100, "responses": 100, "answers_empty": 50,
}


def test_a_listener_acknowledges_each_read() -> None:
    sizes = sizes_of("websocket", {})
    assert bare(sizes, updates=100, payload_bytes=100 * len(LINE)) == (100, 0)
    assert bare(sizes, updates=100, payload_bytes=100 * len(LINE), reads=60) == (60, 0)


@pytest.mark.parametrize("name", ["websocket", "sse"])
@pytest.mark.parametrize("ticks", [2, 20, 200])
def test_a_listener_acknowledges_a_message_once_whatever_its_segments(name: str, ticks: int) -> None:
    """As soon as more than one segment is there, or when it is read: then nothing is left to acknowledge."""
    updates = 5 * ticks
    assert bare(sizes_of(name, {}), updates=updates, payload_bytes=updates * len(LINE), answers=5) == (5, 0)


def test_a_poller_acknowledges_each_answer_that_it_does_not_follow_at_once() -> None:
    assert bare(sizes_of("short_polling", {}), **POLLS) == (100, 0)
    assert bare(sizes_of("short_polling", {}), **POLLS, polls_late=30) == (70, 0)


def test_a_poll_soon_after_the_answer_acknowledges_it() -> None:
    soon = POLLS | {"request_duration_ns": 100 * 1_000_000}   # 1 ms each
    for interval_s, pace, acknowledged in ((0.04, "rate", 0), (0.042, "rate", 100), (0.04, "delay", 100)):
        sizes = sizes_of("short_polling", {"interval_s": interval_s, "pace": pace})
        assert bare(sizes, **soon) == (acknowledged, 0)


def test_a_poll_that_waits_long_for_its_turn_is_acknowledged_meanwhile() -> None:
    sizes = sizes_of("short_polling", {})
    assert bare(sizes, **POLLS, held_s=0.5)[1] == 100


def test_a_request_of_two_segments_is_acknowledged_at_once() -> None:
    assert bare(sizes_of("short_polling", {"headers": "heavy"}), **POLLS) == (100, 100)


@pytest.mark.parametrize("brief", [0.0, 0.3, 1.0])
def test_held_requests_are_acknowledged_but_for_two_brief_ones_in_a_row(brief: float) -> None:
    sizes = sizes_of("long_polling", {})
    assert bare(sizes, **POLLS, brief=brief) == (0, pytest.approx(100 * (1 - brief**2)))
    walk = np.random.default_rng(2).random(100_000) < brief   # rule 3, played through
    conversing, acknowledged = False, 0
    for is_brief in walk:
        acknowledged += not (conversing and is_brief)
        conversing = bool(is_brief)
    assert acknowledged / len(walk) == pytest.approx(1 - brief**2, abs=0.01)


def test_holds_are_exponential_where_only_their_mean_is_known() -> None:
    sizes = sizes_of("long_polling", {})
    counts = {name: [value] for name, value in POLLS.items()}
    happened = traffic(sizes, counts | {"request_duration_ns": [100 * DELAYED_ACK_S * 1e9]})
    assert happened.brief[0] == pytest.approx(1 - math.exp(-1))


def test_a_connection_for_each_poll_takes_ten_segments() -> None:
    sizes = sizes_of("short_polling", {"connection": "new"})
    counts = {name: [value] for name, value in POLLS.items()} | {"connections": [100]}
    found = columns(sizes, traffic(sizes, counts))
    assert found["segments_up"][0] + found["segments_down"][0] == 1000
    assert (found["opening_segments_up"] + found["opening_segments_down"])[0] == 300
    assert (found["closing_segments_up"] + found["closing_segments_down"])[0] == 300
