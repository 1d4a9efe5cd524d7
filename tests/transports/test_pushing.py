"""The closed forms of a push: the delay and the wait for a flush, against ticks and turns that are drawn."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from cycles import play
from hypothesis import given
from hypothesis import strategies as st

from bench import transports
from bench.transports import pushing
from bench.transports.model import Conditions, age_mean_s
from bench.transports.queueing import Jobs, ServerLoad
from bench.transports.websocket import model
from bench.wire.options import PushWire

JOBS = Jobs(tick_s=2e-5, answer_s=8e-6, update_s=2e-6)
RATES, FLUSHES = st.floats(0.01, 1000), st.floats(1e-6, 10_000)


def test_a_push_that_is_not_flushed_takes_its_delay() -> None:
    played, at = play(10.0, 2, 0.0, park=True, delay_s=0.03), Conditions(10.0, 0.03, symbols=2)
    assert pushing.latency_mean_s(PushWire(), at) == pytest.approx(played.latency_mean_s)
    assert age_mean_s(model, PushWire(), at) == pytest.approx(played.age_mean_s, rel=0.02)
    assert pushing.age_excess_mean_s(PushWire(), at) == pytest.approx(played.age_excess_mean_s, rel=0.02)
    assert pushing.conflated_share(PushWire(), replace(at, mode="latest")) == played.conflated_share == 0


@pytest.mark.parametrize(("rate_per_s", "symbols", "flush_ms"), [(2, 1, 1000), (10, 4, 500), (100, 3, 50)])
def test_a_flush_is_a_poll_without_requests(rate_per_s: float, symbols: int, flush_ms: float) -> None:
    """The ticks that are played through wait for the next of turns at a fixed distance."""
    options, at = PushWire(flush_ms=flush_ms), Conditions(rate_per_s, 0.03, symbols=symbols)
    latest = replace(at, mode="latest")
    played = play(rate_per_s, symbols, flush_ms / 1000, park=False, delay_s=0.03)
    pushed = pushing.messages(options, ServerLoad(5, rate_per_s, rate_per_s), Jobs(), 0.0)
    full_per_s = played.requests_per_s * (1 - played.empty_share)
    for found, expected in (
        (pushing.latency_mean_s(options, at), played.latency_mean_s),
        (pushing.latency_mean_s(options, latest), played.latency_mean_latest_s),
        (pushing.conflated_share(options, latest), played.conflated_share),
        (pushing.age_excess_mean_s(options, at), played.age_excess_mean_s),
        (age_mean_s(model, options, at), played.age_mean_s),
        (pushed.per_tick * rate_per_s, full_per_s),
    ):
        assert found == pytest.approx(expected, rel=0.02)
    assert pushing.latency_worst_s(options, at) == pytest.approx(0.03 + flush_ms / 1000)


@pytest.mark.parametrize("regular", [True, False])
@pytest.mark.parametrize("symbols", [1, 3])
@pytest.mark.parametrize("per_flush", [0.4, 1.7, 6.0])
def test_messages_are_the_flushes_that_find_something(regular: bool, symbols: int, per_flush: float) -> None:
    rng, count = np.random.default_rng(3), 400_000
    at = np.arange(count) / per_flush if regular else np.cumsum(rng.exponential(1 / per_flush, count))
    mine = rng.integers(0, symbols, count) == 0
    turns, sizes = np.unique(np.floor(at[mine] + 0.3), return_counts=True)
    met = np.bincount(np.floor(at + 0.3).astype(int))
    load = ServerLoad(10, per_flush / symbols, per_flush, regular)
    found = pushing.messages(PushWire(flush_ms=1000), load, Jobs(), 0.0)
    assert found.per_tick == pytest.approx(len(turns) / mine.sum(), rel=0.01)
    assert found.single == pytest.approx(float((sizes == 1).sum() / mine.sum()), rel=0.03, abs=0.003)
    assert pushing.ticks_met(load, 1.0) == pytest.approx((met**2).sum() / met.sum(), rel=0.01)


@pytest.mark.parametrize("regular", [True, False])
@pytest.mark.parametrize("busy", [0.7, 0.95, 1.05, 1.6])
def test_turns_that_pass_during_a_fan_out_are_left_out(busy: float, regular: bool) -> None:
    """The fan-outs of a server are played one after the other; `busy` is their mean length in turns."""
    rng, count, every_s, load = np.random.default_rng(5), 100_000, 0.1, ServerLoad(100, 43.0, 43.0, regular)
    jobs = Jobs(answer_s=0.6 * busy * every_s / 100, update_s=0.4 * busy / 43.0 / 100)
    at_s = np.arange(count) / 43.0 if regular else np.cumsum(rng.exponential(1 / 43.0, count))
    turn_s, taken, waits_s, sizes = 0.05, 0, 0.0, []
    while taken < count:
        end = int(np.searchsorted(at_s, turn_s, "right"))
        waits_s += float((turn_s - at_s[taken:end]).sum())
        sizes.append(end - taken)
        lasts_s = 100 * (jobs.answer_s * (end > taken) + jobs.update_s * (end - taken))
        turn_s, taken = turn_s + every_s * (1 + math.floor(lasts_s / every_s)), end
    ticks, options = np.array(sizes), PushWire(flush_ms=1000 * every_s)
    place_s = 101 / 2 * (jobs.answer_s + jobs.update_s * (ticks**2).sum() / count)
    found, server_s = (form(options, load, jobs, 0.0) for form in (pushing.messages, pushing.server_s))
    assert found.per_tick == pytest.approx((ticks > 0).sum() / count, rel=0.03)
    assert found.single == pytest.approx((ticks == 1).sum() / count, abs=0.01)
    assert server_s == pytest.approx(waits_s / count - every_s / 2 + place_s, rel=0.05)


@given(RATES, st.integers(1, 5), st.sampled_from(["every", "latest"]), st.booleans())
def test_the_shorter_the_flush_the_more_it_is_like_none(
    rate_per_s: float, symbols: int, mode: str, regular: bool
) -> None:
    at = Conditions(rate_per_s, 0.01, 0.0, symbols, mode)   # type: ignore[arg-type]
    load = ServerLoad(50, rate_per_s / 2, rate_per_s, regular)
    none, tiny = PushWire(), PushWire(flush_ms=1e-6)
    for form in (pushing.latency_mean_s, pushing.latency_worst_s, pushing.age_excess_mean_s, pushing.conflated_share):
        assert form(tiny, at) == pytest.approx(form(none, at), abs=1e-5)
    before, after = (pushing.messages(options, load, JOBS, 0.0) for options in (none, tiny))
    assert (after.per_tick, after.single) == pytest.approx((before.per_tick, before.single), abs=1e-5)
    assert pushing.server_s(tiny, load, JOBS, 0.0) == pytest.approx(pushing.server_s(none, load, JOBS, 0.0), rel=1e-3)


@given(RATES, FLUSHES, st.booleans(), st.floats(0.1, 1.0))
def test_a_longer_flush_never_takes_more_messages(
    rate_per_s: float, flush_ms: float, regular: bool, share: float
) -> None:
    load = ServerLoad(50, share * rate_per_s, rate_per_s, regular)
    short, long = (pushing.messages(PushWire(flush_ms=each), load, JOBS, 0.0) for each in (flush_ms, 2 * flush_ms))
    assert 0 <= long.per_tick <= short.per_tick * (1 + 1e-9) <= 1 + 1e-8
    assert -1e-9 <= short.single <= short.per_tick * (1 + 1e-9)


def test_fan_outs_that_last_longer_than_a_flush_follow_each_other() -> None:
    load = ServerLoad(20_000, 2.0, 2.0)   # one takes about 0.2 s
    at_once, flushed = (pushing.server_s(PushWire(flush_ms=each), load, JOBS, 0.0) for each in (0, 10))
    assert flushed >= at_once - 0.005
    assert math.isinf(pushing.server_s(PushWire(flush_ms=10), replace(load, clients=1e6), JOBS, 0.0))


def test_the_forms_are_those_of_every_pushing_transport_and_of_no_other() -> None:
    pushes = set()
    for name in transports.names():
        model = transports.model_of(name)
        options = transports.options_of(name, {}, "the test", "options")
        if (cycle := model.cycle(options)).pushes:
            pushes.add(name)
            own = {each for each in pushing.__all__ if getattr(model, each) is not getattr(pushing, each)}
            assert own <= {"cycle"}, name
            assert replace(cycle, posts=False) == pushing.cycle(options), "but for the way in which its clients send"
        else:
            assert all(getattr(model, each) is not getattr(pushing, each) for each in pushing.__all__), name
    assert pushes
