"""The closed forms put together: what holds whatever the numbers (`test_forms` holds the engine to them)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from formed import options_of
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import transports
from bench.simulation.analytic.demand import Demand
from bench.simulation.analytic.system import TIME_WAIT_S, Forecast, analytic
from bench.simulation.engine.inputs import Costs, NetworkDelays
from bench.wire.sizes import Conversation

LINE = b'{"index":41,"seq":42,"due_ns":4100000000,"symbol":"AAA","price":23.82,"size":100}'
COSTS = Costs(2e-5, 1e-4, 3e-5, 5e-6, 1e-8, 3e-4, 0.01, 1e-6, message_s=4e-4)
MODES = st.sampled_from(["every", "latest"])
NET = NetworkDelays(0.02, 0.02, 0.001)
SUBJECTS: list[tuple[str, dict[str, Any]]] = [
    ("short_polling", {}), ("short_polling", {"connection": "new"}), ("short_polling", {"pace": "delay"}),
    ("long_polling", {}), ("long_polling", {"connection": "new", "tls": True}), ("websocket", {}),
    ("websocket", {"flush_ms": 250.0}),
]


def of(subject: tuple[str, dict[str, Any]], clients: float = 100, target: float = 0.7, net: NetworkDelays = NET,
       crowd_share: float = 0.0, **demand: Any) -> Forecast:
    transport, options = subject[0], options_of(subject[0], **subject[1])
    sizes = transports.model_of(transport).wire(options, Conversation((LINE,)))
    demand = {"rate_per_s": 2.0, "payload_bytes": len(LINE), **demand}
    costs = dataclasses.replace(COSTS, crowd_share=crowd_share)
    return analytic(transport, options, costs, net, Demand(**demand), sizes, clients, target)


@settings(deadline=None)   # TLS shakes hands once
@given(st.sampled_from(SUBJECTS), st.floats(0.01, 20), st.integers(1, 5), MODES,
       st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from([0.0, 0.05, 5.0]))
def test_a_server_with_all_the_clients_that_it_can_have_is_as_busy_as_was_asked(
    subject: tuple[str, dict[str, Any]], rate_per_s: float, symbols: int, mode: Any, crowd_share: float,
    each_per_s: float,
) -> None:
    demand = {"rate_per_s": rate_per_s, "symbols": symbols, "mode": mode, "crowd_share": crowd_share,
              "client_messages_per_s": each_per_s, "feed_per_s": 1000.0 if each_per_s else None}
    most = of(subject, **demand).clients_max
    full = of(subject, clients=most, **demand)
    idle = COSTS.base_share + COSTS.socket_share * most
    assert full.utilisation + idle <= 0.7 + 1e-6   # waits make clients ask less, and reads hand out more
    if subject[0] == "short_polling" and subject[1].get("pace") != "delay":
        assert full.utilisation + idle == pytest.approx(0.7)
    assert full.cpu_per_update_s * most * full.updates_per_s == pytest.approx(full.utilisation + idle)


@settings(deadline=None)   # TLS shakes hands once
@given(st.sampled_from(SUBJECTS), st.floats(0.01, 20), st.floats(1, 100), MODES)
def test_more_clients_are_never_fresher(
    subject: tuple[str, dict[str, Any]], rate_per_s: float, more: float, mode: Any
) -> None:
    few, many = (of(subject, clients=clients, rate_per_s=rate_per_s, mode=mode)
                 for clients in (10.0, 10.0 * more))
    assert many.age_excess_s >= few.age_excess_s * (1 - 1e-9)
    assert many.server_s >= few.server_s * (1 - 1e-9)
    assert few.latency_mean_s <= few.latency_worst_s + few.server_s


def test_a_full_server_waits_without_bound() -> None:
    full = of(("websocket", {}), clients=100_000)   # the updates alone are more than it can take
    assert full.utilisation > 1
    assert full.latency_mean_s == full.age_excess_s == math.inf


def test_a_push_takes_a_message_and_an_acknowledgement_an_update() -> None:
    push = of(("websocket", {}))
    assert (push.bytes_up, push.bytes_down) == pytest.approx((52, 52 + 2 + len(LINE)), rel=1e-3)
    assert push.sockets == 100
    assert push.lingering == 0


@pytest.mark.parametrize(("rate_per_s", "symbols"), [(200.0, 2), (3.0, 1), (3.0, 2), (10.0, 5)])
@pytest.mark.parametrize("subject", [("short_polling", {}), ("websocket", {"flush_ms": 1000.0})])
def test_a_response_declares_skips_unless_none_of_its_symbols_has_any(
    subject: tuple[str, dict[str, Any]], rate_per_s: float, symbols: int
) -> None:
    """With a hundred ticks of each of two symbols per second each response declares some."""
    rates = of(subject, rate_per_s=rate_per_s, symbols=symbols, mode="latest")._rates
    counts = np.random.default_rng(4).poisson(rate_per_s / symbols, (100_000, symbols))
    assert rates["declaring"] == pytest.approx((counts > 1).any(axis=1).mean(), rel=0.02)
    assert rates["skips"] == pytest.approx((counts > 1).sum(axis=1).mean(), rel=0.02)


def test_polls_that_bring_nothing_are_paid_for_by_those_that_do() -> None:
    rare, often = (of(("short_polling", {}), rate_per_s=rate) for rate in (0.1, 10.0))
    assert rare.bytes_up == pytest.approx(often.bytes_up * 100)
    assert rare.cpu_per_update_s > 20 * often.cpu_per_update_s


def test_new_connections_are_open_for_a_turn_and_linger_where_the_server_closes_first() -> None:
    kept, new = of(("short_polling", {})), of(("short_polling", {"connection": "new"}))
    assert kept.sockets == 100
    assert new.sockets == pytest.approx(100 * (0.04 + new.server_s))
    assert new.lingering == 100 * TIME_WAIT_S
    held = of(("long_polling", {"connection": "new"}))
    away_s = 0.04   # an answer's way down, and that of the next handshake's first packet up
    assert held.sockets == pytest.approx(100 * (1 - away_s * held.requests_per_s), rel=0.01)


def test_a_feed_that_is_not_random_has_no_poisson_forms() -> None:
    poll = of(("short_polling", {}), regular=True)
    assert math.isnan(poll.empty_share)
    assert math.isfinite(poll.latency_mean_s)
    assert poll.requests_per_s == 1
    push = of(("websocket", {}), regular=True)
    figures = [name for name in dir(push) if not name.startswith("_")]
    assert [name for name in figures if math.isnan(getattr(push, name))] == ["age_mean_s"]


@pytest.mark.parametrize("transport", ["short_polling", "long_polling", "websocket"])
def test_clients_who_cost_nothing_never_fill_a_server(transport: str) -> None:
    """But the feed may."""
    options = options_of(transport)
    sizes = transports.model_of(transport).wire(options, Conversation((LINE,)))
    for base_share, most in ((0.1, math.inf), (0.8, 0.0)):
        found = analytic(transport, options, Costs(base_share=base_share), NET, Demand(2.0), sizes,
                         10)
        assert found.clients_max == most


@pytest.mark.parametrize("regular", [False, True])
def test_messages_come_later_than_a_publishers_ticks_and_keep_a_server_busier(regular: bool) -> None:
    """Also where ticks are no Poisson process, so that the share of empty responses is not known."""
    polls = ("short_polling", {})
    listening, sending = (of(polls, regular=regular, messages_per_s=rate) for rate in (0.0, 2.0))
    assert listening.latency_mean_s < sending.latency_mean_s < listening.latency_mean_s + 0.05
    if not regular:
        assert sending.utilisation == pytest.approx(listening.utilisation + 2.0 * COSTS.message_s)
        assert sending.bytes_up > listening.bytes_up
    assert (listening.sockets, sending.sockets) == (100, 200)


@settings(deadline=None)
@given(st.sampled_from(SUBJECTS), st.floats(0.1, 5), st.integers(1, 50), st.floats(0.001, 2))
def test_more_messages_never_take_less(
        subject: tuple[str, dict[str, Any]], rate_per_s: float, rooms: int, each_per_s: float) -> None:
    """Also of a server that shares a feed with others, and so takes the messages of its own clients alone."""
    demand = {"rate_per_s": rate_per_s, "feed_per_s": rate_per_s * rooms, "message_bytes": 70.0}
    none, some, more = (of(subject, **demand, client_messages_per_s=times * each_per_s) for times in (0.0, 1.0, 2.0))
    assert none.cpu_per_update_s == of(subject, **demand).cpu_per_update_s
    assert none.latency_worst_s <= some.latency_worst_s + NET.feed_s   # which its way replaces
    assert none.utilisation < some.utilisation
    for fewer, further in ((none, some), (some, more)):
        assert fewer.utilisation <= further.utilisation * (1 + 1e-9)
        assert fewer.bytes_up <= further.bytes_up * (1 + 1e-9)
        assert fewer.posts_per_s <= further.posts_per_s
        assert fewer.clients_max >= further.clients_max * (1 - 1e-5)
        assert fewer.message_wait_s <= further.message_wait_s * (1 + 1e-9)
