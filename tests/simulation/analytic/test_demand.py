"""Clients and a feed: a server takes its own clients' messages, never more than all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.simulation.analytic.demand import Demand


@given(st.floats(0.01, 100), st.floats(1, 1000), st.floats(0, 10), st.floats(0, 1e5))
def test_a_server_takes_the_messages_of_its_own_clients(
        rate_per_s: float, rooms: float, each_per_s: float, clients: float) -> None:
    asked = Demand(rate_per_s, feed_per_s=rate_per_s * rooms, client_messages_per_s=each_per_s)
    found = asked.sent_by(clients)
    assert found.messages_per_s == min(each_per_s * clients, asked.ticks_per_s)
    assert 0 <= found.own_share <= 1
    assert found.sent_by(clients) == found


def test_clients_that_only_listen_send_nothing() -> None:
    asked = Demand(2.0)
    assert asked.sent_by(100.0) is asked
    assert asked.own_share == 0
