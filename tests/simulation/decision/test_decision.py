"""A decision names one transport only where nothing that is uncertain could name another one."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

from bench import transports
from bench.scenario.simulation import Prices
from bench.simulation.analytic.demand import Demand
from bench.simulation.crossover.crossover import Candidate
from bench.simulation.decision import decision
from bench.simulation.decision.decision import Choice, Situation, Truth
from bench.simulation.engine.inputs import Costs
from bench.stats.run import uncertainty
from bench.wire.sizes import Conversation

LINES = (b'{"index":1,"seq":2,"due":1234567890,"symbol":"AAA","price":101.25,"size":300}',) * 5
POLL = Costs(2e-5, 7e-5, 1e-6, 1e-6, 1e-9, 8e-5, 0.001, 1e-8)
PUSH = Costs(2e-5, 0.0, 1e-5, 1e-6, 1e-9, 1e-4, 0.001, 1e-8)
COSTS = {"short_polling": POLL, "long_polling": POLL, "websocket": PUSH}
ERRORS = {"cpu": [(0.1, 0.0, 0.2), (-0.1, -0.2, 0.0)], "bytes": [(0.01, 0.0, 0.02)], "age": [(0.05, -0.05, 0.15)]}
PRICES = Prices(worker_month=30.0, gigabyte_out=0.05)


def candidate(name: str, label: str = "", costs: Costs | None = None) -> Candidate:
    """Return a transport with made-up costs."""
    options = transports.part(name, "protocol").Options()
    sizes = transports.model_of(name).wire(options, Conversation(LINES))
    return Candidate(label or name, name, options, costs or COSTS[name], 0.0003, sizes)


CANDIDATES = [candidate(name) for name in COSTS]


def situation(clients: int = 20_000, rate: float = 1.0, within_s: float = 1.0, rtt_s: float = 0.08,
              prices: Prices | None = None, room_clients: int | None = None) -> Situation:
    """Return one situation, with a margin of a tenth."""
    demand = Demand(rate, 1, 80.0, message_bytes=70.0)
    return Situation(clients, demand, rtt_s, within_s, 0.6, prices, 0.1, room_clients)


def decided(asked: Situation, candidates: list[Candidate] = CANDIDATES) -> tuple[Choice, dict[str, Truth]]:
    offers = {each.label: decision.best(each, asked) for each in candidates}
    truths = {each.label: decision.truth(each, offers[each.label], asked, ERRORS) for each in candidates}
    return decision.choose(offers, truths, asked), truths


SITUATIONS = [
    situation(clients, rate, within_s, prices=prices)
    for clients, rate, within_s, prices in product(
        (100, 5_000, 200_000), (0.1, 5.0), (0.5, 2.0, 20.0), (None, PRICES))
] + [situation(20_000, rate, 1.0, rtt_s) for rate, rtt_s in product((0.3, 20.0), (0.002, 0.2))]


def test_forty_situations_never_name_a_winner_within_a_tie() -> None:
    assert len(SITUATIONS) == 40
    for asked in SITUATIONS:
        choice, _ = decided(asked)
        costs = {label: each.cost for label, each in choice.drawn.items()}
        assert set(choice.chosen) <= set(choice.cheapest) <= set(costs)
        for label in costs:
            least = np.min(list(costs.values()), axis=0)
            wins = float((costs[label] <= least * (1 + 1e-9)).mean())
            if label not in choice.cheapest:   # excluded: hardly ever the least expensive, even if ties are shared
                assert choice.shares[label] < uncertainty.NEVER, (asked, label)
                assert wins < 2 * uncertainty.NEVER or len(costs) > 2
        if len(choice.chosen) == 1:
            for rival in set(choice.cheapest) - set(choice.chosen):   # as cheap, and seen to be staler
                mine, other = (choice.drawn[label].age_excess_s for label in (choice.chosen[0], rival))
                assert float((mine < other).mean()) > 1 - uncertainty.NEVER


def test_two_servers_of_one_cost_are_a_tie() -> None:
    twice = [*CANDIDATES, candidate("websocket", "again")]
    choice, _ = decided(situation(), twice)
    assert {"websocket", "again"} == set(choice.chosen)


def test_what_costs_far_more_is_excluded_and_the_rest_decides_by_freshness() -> None:
    choice, _ = decided(situation(clients=100, within_s=10.0))
    assert set(choice.cheapest) == set(COSTS)   # one worker each
    assert "websocket" in choice.chosen
    assert "short_polling" not in choice.chosen
    choice, _ = decided(situation(clients=200_000, rate=0.5))
    assert choice.cheapest == ("websocket",)
    assert choice.shares["websocket"] > 1 - uncertainty.NEVER


def test_a_flush_is_used_only_where_it_saves_a_worker_or_money() -> None:
    free = decision.best(CANDIDATES[2], situation(clients=100, rate=20.0, within_s=2.0))
    assert (free.flush_s, free.workers) == (0.0, 1)
    many = decision.best(CANDIDATES[2], situation(clients=400_000, rate=20.0, within_s=2.0))
    at_once = CANDIDATES[2].at_interval(0.0)
    plain = decision.as_it_is(at_once, situation(clients=400_000, rate=20.0, within_s=2.0))
    assert many.flush_s > 0
    assert many.workers < plain.workers


def test_nobody_is_chosen_where_nobody_is_fresh_enough() -> None:
    choice, _ = decided(situation(within_s=0.01, rtt_s=0.2))
    assert choice.chosen == choice.cheapest == ()


def test_a_turn_is_where_the_least_expensive_change() -> None:
    asked = situation(rate=0.5)
    choice, truths = decided(asked)
    found = decision.turns(CANDIDATES, truths, asked)
    assert found
    for turn in found:
        below, above = (decision.decide(CANDIDATES, truths, asked.at(turn.axis, turn.value * factor)).cheapest
                        for factor in (0.8, 1.25))
        assert (turn.label in above) != (turn.label in below) or turn.axis == "clients"
        assert (turn.label in choice.cheapest) != turn.begins
    staler = [turn for turn in found if (turn.axis, turn.label) == ("within_s", "short_polling")]
    assert staler[0].begins
    assert staler[0].value > asked.within_s


def test_prices_by_use_turn_the_answer() -> None:
    """A request that costs a thousandth of a worker makes polling expensive, a connection's minute makes holding so."""
    by_request = situation(prices=Prices(million_requests=10.0), within_s=5.0)
    by_minute = situation(prices=Prices(million_connection_minutes=100.0), within_s=5.0)
    assert "short_polling" not in decided(by_request)[0].cheapest
    assert decided(by_minute)[0].cheapest == ("short_polling",)


def test_the_draws_hold_the_offer_s_own_figures() -> None:
    asked = situation(prices=PRICES)
    choice, _ = decided(asked)
    for label, figures in choice.drawn.items():
        made = choice.offers[label]
        for draws, value in ((figures.cores, made.cores), (figures.price, made.price),
                             (figures.age_excess_s, made.age_excess_s)):
            assert draws is not None
            low, high = np.quantile(draws, [0.01, 0.99])
            assert low <= value * 1.02
            assert high >= value * 0.98
        assert figures.age_excess_s.min() > asked.rtt_s / 2   # no update outruns its network


@pytest.mark.parametrize("axis", ["within_s", "rate_per_s", "clients"])
def test_a_situation_moves_along_one_axis_alone(axis: str) -> None:
    asked = situation()
    moved = asked.at(axis, 3.0)
    same = {"within_s": moved.within_s == 3.0, "rate_per_s": moved.demand.rate_per_s == 3.0,
            "clients": moved.clients == 3}
    assert same.pop(axis)
    assert not any(same.values())
    assert replace(moved, within_s=1.0, clients=20_000, demand=asked.demand) == asked
    assert math.isclose(moved.demand.ticks_per_s / moved.demand.rate_per_s, asked.demand.ticks_per_s)


@pytest.mark.parametrize("name", COSTS)
def test_the_smaller_the_rooms_the_more_messages_are_paid_for(name: str) -> None:
    """Each client gets as many updates; in a room of everybody one of them in as many is its own."""
    each = candidate(name, costs=replace(COSTS[name], message_s=1e-4))
    listening = decision.best(each, situation(2_000))
    offers = [decision.best(each, situation(2_000, room_clients=clients)) for clients in (9_000, 2_000, 200, 20)]
    for fewer, more in pairwise(offers):
        assert fewer.cores <= more.cores * (1 + 1e-9)
        assert fewer.bytes_up_per_s <= more.bytes_up_per_s * (1 + 1e-9)
        assert fewer.requests_per_s <= more.requests_per_s * (1 + 1e-9)
    assert offers[0] == offers[1]   # there is no larger room than that of all
    assert listening.cores < offers[0].cores
    assert offers[0].age_excess_s > listening.age_excess_s
    asked = situation(2_000, room_clients=20)
    assert asked.sent_per_s == pytest.approx(2_000 * 1.0 / 20)
    posts = (asked.sent_per_s - 1.0) if each.cycle.posts else 0.0   # a room of all sends one message per second
    assert offers[-1].requests_per_s - offers[0].requests_per_s == pytest.approx(posts, abs=20)


def test_an_update_that_a_client_sent_goes_through_the_network_twice() -> None:
    asked = situation(2_000, room_clients=20)
    choice, _ = decided(asked)
    for figures in choice.drawn.values():
        assert figures.age_excess_s.min() > asked.rtt_s


def test_who_posts_more_than_its_answers_allow_can_t_keep_up() -> None:
    """A room of two at 100 updates per second: each has 20 ms for a message that takes a round trip of 80."""
    poll, push = (decision.best(each, situation(100, 100.0, room_clients=2)) for each in (CANDIDATES[0], CANDIDATES[2]))
    assert not poll.possible
    assert push.possible
    assert math.isfinite(push.age_excess_s)


@pytest.mark.parametrize(("asked", "axis", "ends"), [
    (situation(clients=3), "clients", [1e7]),
    (situation(clients=20_000), "clients", [10.0, 1e7]),
    (situation(rate=0.005), "rate_per_s", [100.0]),
    (situation(rate=500.0), "rate_per_s", [0.01]),
    (situation(within_s=1800.0), "within_s", []),
])
def test_turns_are_looked_for_once_in_each_direction_also_from_beyond_an_axis(
        asked: Situation, axis: str, ends: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer clients than the axis begins with both of its ends are above: a turn would be told twice."""
    looked: list[float] = []

    def note(axis: str, start: float, end: float, least: object) -> list[decision.Turn]:
        looked.append(end)
        return []

    monkeypatch.setattr(decision, "_turns", note)
    monkeypatch.setattr(decision, "_by_clients", lambda *_: None)
    assert decision.turns_along(axis, CANDIDATES, {}, asked) == []
    assert looked == ends
