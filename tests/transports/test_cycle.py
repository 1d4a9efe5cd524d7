"""The cycles of transports, as their models have them."""

import math

from bench import transports


def cycle_of(name, **table):
    options = transports.options_of(name, table, "a test", "transports")
    return transports.model_of(name).cycle(options)


def test_a_poll_is_paced_and_never_parked():
    cycle = cycle_of("short_polling", interval_s=2.0, pace="delay", jitter=0.5, connection="new", tls=True)
    assert (cycle.interval_s, cycle.pace, cycle.jitter) == (2.0, "delay", 0.5)
    assert cycle.new_connection
    assert cycle.handshakes == 2
    assert not cycle.parks


def test_a_long_poll_is_parked_for_its_hold_time_and_not_paced():
    cycle = cycle_of("long_polling", hold_s=7.0)
    assert cycle.parks
    assert cycle.hold_s == 7.0
    assert cycle.interval_s == 0
    assert not cycle.new_connection


def test_a_push_asks_for_nothing():
    cycle = cycle_of("websocket", flush_ms=250.0)
    assert cycle.flush_s == 0.25
    assert cycle.pushes
    assert not cycle.parks
    assert cycle.hold_s == math.inf
