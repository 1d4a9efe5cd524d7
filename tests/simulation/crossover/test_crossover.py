"""The map's arithmetic: each transport at its best, both limits kept, and the same answers as by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench import transports
from bench.scenario.crossover import Crossover
from bench.scenario.model import Server, SlowClient
from bench.scenario.simulation import MONTH_S, Prices
from bench.simulation.analytic.demand import Demand
from bench.simulation.calibration.costs import Estimate
from bench.simulation.crossover import crossover
from bench.simulation.crossover.crossover import Candidate, TicksPerPoll
from bench.simulation.engine.inputs import Costs
from bench.wire.contract import Mode
from bench.wire.sizes import Conversation

LINES = (b'{"index":1,"seq":2,"due":1234567890,"symbol":"AAA","price":101.25,"size":300}',) * 5
COSTS = {
    "short_polling": Costs(2e-5, 1e-4, 5e-5, 1e-6, 1e-9, 8e-5, 0.001, 1e-8),
    "long_polling": Costs(2e-5, 1e-4, 5e-5, 1e-6, 1e-9, 8e-5, 0.001, 1e-8),
    "websocket": Costs(2e-5, 0.0, 1e-5, 1e-6, 1e-9, 1e-4, 0.001, 1e-8),
}
PRICES = Prices(worker_month=30.0, gigabyte_out=0.05)


def subject(name: str) -> Candidate:
    """Return a transport with made-up costs."""
    options = transports.part(name, "protocol").Options()
    sizes = transports.model_of(name).wire(options, Conversation(LINES))
    return Candidate(name, name, options, COSTS[name], 0.0003, sizes)


SUBJECTS = {name: subject(name) for name in COSTS}
DEMAND = Demand(1.0, 5, 80.0)


def demand(rate: float) -> Demand:
    """Return the demand of clients of which each wants all of the feed."""
    return Demand(rate, 5, 80.0)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(COSTS)), st.floats(0.01, 50), st.floats(0.001, 0.2), st.floats(0.05, 30),
       st.integers(1, 10**6))
def test_what_is_offered_keeps_both_limits(
    name: str, rate: float, rtt_s: float, budget_s: float, clients: int,
) -> None:
    made = crossover.cheapest(SUBJECTS[name], demand(rate), rtt_s, budget_s, 0.6, [clients], PRICES)[clients]
    if not made.possible:
        assert made.why_not in ("latency", "overload")
        assert math.isnan(made.price)
        return
    assert made.latency_worst_s <= budget_s
    assert made.workers == math.ceil(clients / made.per_worker)
    assert made.cores <= 0.6 * made.workers * 1.02
    assert made.price == pytest.approx(
        30 * made.workers + 0.05 * made.bytes_down_per_s * MONTH_S / 1e9)


@pytest.mark.parametrize(("name", "every_s", "shared"), [
    ("short_polling", 1.0, 0.8), ("websocket", 1.0, 0.8), ("websocket", 0.0, 0.0)])
def test_an_update_beyond_the_first_of_a_response_or_a_message_may_take_as_much(
    name: str, every_s: float, shared: float
) -> None:
    """Where a calibration could not tell them apart; five updates come per second."""
    costs = replace(COSTS[name], request_s=0.0, update_s=0.0)
    bounds = {"update_s": Estimate(0.0), "answer_s": Estimate(costs.answer_s, costs.answer_s, 1.2 * costs.answer_s)}
    each = replace(SUBJECTS[name], costs=costs, bounds=bounds).at_interval(every_s)
    cheap, expensive = each.ends(demand(5.0), 0.01)
    assert cheap.costs.update_s == 0
    assert expensive.costs.update_s == pytest.approx(shared * 1.2 * costs.answer_s, rel=0.02, abs=1e-9)


@settings(deadline=None, max_examples=15)
@given(st.floats(0.01, 20), st.floats(0.002, 0.2), st.integers(10, 10**6), st.floats(0.3, 5),
       st.sampled_from([0, 0.05]))
@example(2.0, 0.0625, 309_138, 0.375, 0.05)   # a longer flush saves traffic, and takes one worker more
def test_patience_never_costs_more(
    rate: float, rtt_s: float, clients: int, budget_s: float, gigabyte_out: float,
) -> None:
    """A wider budget is a weaker wish, so the least price is no higher: in workers, where nothing else is billed."""
    prices = Prices(worker_month=30.0, gigabyte_out=gigabyte_out)
    for each in SUBJECTS.values():
        hasty, patient = (
            crossover.cheapest(each, demand(rate), rtt_s, budget, 0.6, [clients], prices)[clients]
            for budget in (budget_s, 4 * budget_s))
        if hasty.possible:
            assert patient.possible
            assert patient.price <= hasty.price * 1.005


def test_a_poll_is_as_seldom_as_the_budget_allows() -> None:
    made = crossover.cheapest(SUBJECTS["short_polling"], DEMAND, 0.04, 2.0, 0.6, [10], PRICES)[10]
    # The wait for the next poll, the way down, the work: all of the two seconds but a thousandth.
    assert made.interval_s == pytest.approx(2.0 - 0.02, rel=2e-3)
    assert made.latency_worst_s == pytest.approx(2.0, rel=2e-3)


@pytest.mark.parametrize("jitter", [0.5, 0.9, 1.0])
@pytest.mark.parametrize("pace", ["rate", "delay"])
def test_a_poll_with_jitter_keeps_the_budget_too(jitter: float, pace: str) -> None:
    """The longest time between two polls is the interval and what the jitter may add: the budget can be kept."""
    options = SUBJECTS["short_polling"].options.model_copy(update={"jitter": jitter, "pace": pace})
    made = crossover.cheapest(
        replace(SUBJECTS["short_polling"], options=options), DEMAND, 0.04, 2.0, 0.6, [10], PRICES)[10]
    assert made.possible
    assert made.latency_worst_s == pytest.approx(2.0, rel=2e-3)
    assert made.interval_s < 2.0 / (1 + jitter / 2)


@pytest.mark.parametrize("mode", ["every", "latest"])
def test_no_poll_finds_more_than_an_answer_holds_or_passes_for_slow(mode: Mode) -> None:
    server = Server(batch_max=1000, tape_ticks=65_536, slow_client=SlowClient(buffer_ticks=4096))
    careful = replace(SUBJECTS["short_polling"], finds=TicksPerPoll.by(server, mode))
    wanted = replace(demand(100.0), mode=mode)
    for made in (
        crossover.cheapest(careful, wanted, 0.04, 30.0, 0.6, [10], PRICES)[10],
        crossover.freshest(careful, wanted, 0.04, 1, 0.6, 10, PRICES),
    ):
        found = 100 * made.interval_s
        assert mode == "latest" or found + 3 * math.sqrt(found) <= 1000 * (1 + 1e-9)
    rarely = crossover.cheapest(careful, wanted, 0.04, 30.0, 0.6, [10], PRICES)[10].interval_s
    assert rarely == pytest.approx(29.95 if mode == "latest" else 9.094, rel=1e-3)   # of a budget of 30 s
    crowd = crossover.freshest(careful, wanted, 0.04, 1, 0.6, 10**7 if mode == "latest" else 10**6, None)
    assert crowd.why_not == "overload"   # it would have to ask so rarely that it was slow, or ticks had left


@pytest.mark.parametrize(("mode", "buffer_ticks", "feed_per_s", "longest_s"), [
    ("every", 4096, 2.0, 454.76), ("every", 100, 2.0, 25.0), ("every", 4096, 500.0, 65.536),
    ("latest", 100, 2.0, 16_384.0), ("latest", 100, 500.0, 65.536),
])
def test_who_wants_a_share_of_the_feed_is_no_slower_for_the_rest(
    mode: Mode, buffer_ticks: int, feed_per_s: float, longest_s: float
) -> None:
    """A client is behind by the ticks of its own subscription, of two per second, and the server keeps all of them."""
    server = Server(batch_max=1000, tape_ticks=65_536, slow_client=SlowClient(buffer_ticks=buffer_ticks))
    asked = Demand(2.0, feed_per_s=feed_per_s, mode=mode)
    assert TicksPerPoll.by(server, mode).longest_s(asked) == pytest.approx(longest_s, rel=1e-4)


@pytest.mark.parametrize("rate", [1.0, 10.0, 100.0])
@pytest.mark.parametrize("budget_s", [0.1, 1.0])
def test_no_flush_is_cheaper_than_the_maps(rate: float, budget_s: float) -> None:
    """Of as many workers as it takes; the price is that of the workers, and of the bytes."""
    push, clients = SUBJECTS["websocket"], 1_000_000
    best = crossover.cheapest(push, demand(rate), 0.04, budget_s, 0.6, [clients], PRICES)[clients]
    assert best.latency_worst_s <= budget_s
    for flush_s in np.linspace(0, budget_s, 12):
        other = push.at_interval(flush_s)
        most = crossover.most_clients(other, demand(rate), 0.04, budget_s, 0.6)
        if most >= 1:
            made = crossover.offer(other, demand(rate), 0.04, math.ceil(clients / most), clients, most, PRICES)
            assert best.price <= made.price * 1.02


def test_a_push_sends_each_tick_at_once_where_the_freshest_is_sought_and_the_workers_bear_it() -> None:
    few, many = (crossover.freshest(SUBJECTS["websocket"], demand(100.0), 0.04, 1, 0.6, clients, None)
                 for clients in (100, 1500))
    assert few.flush_s == 0
    assert few.age_excess_s < 0.03
    assert 0 < many.flush_s < 0.5
    assert many.cores == pytest.approx(0.6, rel=0.02)


def test_a_flush_that_would_save_nothing_is_left_out() -> None:
    rare = crossover.cheapest(SUBJECTS["websocket"], demand(0.001), 0.04, 1.0, 0.6, [100], PRICES)[100]
    often = crossover.cheapest(SUBJECTS["websocket"], demand(10.0), 0.04, 1.0, 0.6, [100], PRICES)[100]
    assert rare.flush_s == 0
    assert 0.94 < often.flush_s <= 0.98   # of a second, of which 20 ms are the way, and some the fan-out
    assert math.isnan(often.interval_s)


def test_three_transits_are_too_many_where_the_budget_has_two() -> None:
    """RFC 6202: at worst a long poll takes three transits."""
    late = crossover.cheapest(SUBJECTS["long_polling"], DEMAND, 0.2, 0.25, 0.6, [10], None)[10]
    assert late.why_not == "latency"
    assert crossover.cheapest(SUBJECTS["long_polling"], DEMAND, 0.2, 0.32, 0.6, [10], None)[10].possible
    assert crossover.cheapest(SUBJECTS["websocket"], DEMAND, 0.2, 0.25, 0.6, [10], None)[10].possible


def test_a_fan_out_has_to_be_through_within_the_budget() -> None:
    """SLO − d over the cost of a send, where ticks are so rare that CPU is no limit."""
    rare = demand(0.0001)
    most = crossover.most_clients(SUBJECTS["websocket"], rare, 0.04, 0.12, 0.6)
    send_s = 1e-5 + 1e-6 + 80e-9
    assert most == pytest.approx((0.12 - 0.02 - 0.0003 - 2e-5) / send_s, rel=0.01)


def test_the_freshest_fills_its_workers_and_no_more() -> None:
    made = crossover.freshest(SUBJECTS["short_polling"], DEMAND, 0.04, 2, 0.6, 20_000, PRICES)
    assert made.possible
    assert made.cores == pytest.approx(2 * 0.6, rel=0.01)
    # 10,000 polls an interval at 150 µs and an update's 1 µs each, of 0.6 cores.
    assert made.interval_s == pytest.approx(10_000 * 150e-6 / (0.6 - 0.001 - 2e-5 - 1e-4 - 10_000 * 1.08e-6),
                                            rel=0.01)
    too_much = crossover.freshest(SUBJECTS["websocket"], demand(100), 0.04, 1, 0.6, 20_000, None)
    assert too_much.why_not == "overload"   # the updates alone are
    few = crossover.freshest(SUBJECTS["short_polling"], DEMAND, 0.04, 1, 0.6, 1, None)
    assert few.interval_s == pytest.approx(0.04)


def test_the_map_has_every_field_and_names_the_best() -> None:
    asked = Crossover(rates_per_s=(0.1, 10.0), clients=(100, 100_000), rtt_ms=(40.0,),
                      staleness_ms=(1000.0,))
    found = list(crossover.fields(asked, DEMAND, list(SUBJECTS.values()), 0.6, PRICES))
    assert len(found) == 2 * 2 * 1 * (1 + 1)
    table = crossover.table(found, 0.1)
    assert len(table) == 3 * len(found)
    for _, field in table.groupby(["asked", "rate_per_s", "clients"]):
        column = "age_excess_ms" if field["asked"].iloc[0] == "freshest" else "price_month"
        possible = field[field["possible"]].sort_values(column)
        assert field["best"].any() == bool(len(possible))
        if possible.empty:
            continue
        assert bool(possible["best"].iloc[0])
        assert field["alone"].sum() == (1 if field["best"].sum() == 1 else 0)
        assert field["ahead"].count() <= 1
        if len(possible) > 1:
            first, second = possible[column].iloc[:2]
            assert possible["ahead"].iloc[0] == pytest.approx(second / first)


def test_where_nothing_that_the_best_uses_is_billed_the_next_is_no_multiple_of_it() -> None:
    """Of the two that send no messages the first costs nothing, as the second does."""
    asked = Crossover(rates_per_s=(1.0,), clients=(1000,), rtt_ms=(40.0,), staleness_ms=(1000.0,))

    def ahead(*labels: str) -> list[float]:
        subjects = [SUBJECTS[label] for label in labels]
        prices = Prices(worker_month=0.0, gigabyte_out=0.0, million_messages=1.0)
        table = crossover.table(list(crossover.fields(asked, DEMAND, subjects, 0.6, prices)), 0.1)
        return [float(each) for each in table[table["asked"] == "cheapest"]["ahead"].dropna()]

    assert ahead("short_polling", "websocket") == [math.inf]
    assert ahead("short_polling", "long_polling") == [1.0]


@pytest.mark.parametrize("rate", [0.001, 1.0, 10.0])
def test_a_request_is_billed_while_it_is_held_and_not_while_it_travels(rate: float) -> None:
    """With ten updates per second and a round trip of 100 ms a long poll is on its way for most of the time."""
    by_use = Prices(million_connection_minutes=1.0, gigabyte_second=1e-5, memory_gb=0.128)
    long, push = (crossover.offer(SUBJECTS[name], demand(rate), 0.1, 1, 100, math.nan, by_use)
                  for name in ("long_polling", "websocket"))
    assert push.held == push.under_way == 100
    assert long.held == long.under_way == pytest.approx(100 - 0.1 * long.requests_per_s, rel=1e-6)
    assert long.held < (30 if rate == 10 else 100)
    assert long.price == pytest.approx(push.price * long.held / 100)


def test_without_prices_the_cheapest_is_who_needs_least_cpu() -> None:
    asked = Crossover(rates_per_s=(1.0,), clients=(1000,), rtt_ms=(40.0,), staleness_ms=(1000.0,))
    field = next(iter(crossover.fields(asked, DEMAND, list(SUBJECTS.values()), 0.6, None)))
    assert [label for _, label in field.standing()] == sorted(
        field.offers, key=lambda label: field.offers[label].cores)


def bounded(**bounds: Estimate) -> list[Candidate]:
    """Return the subjects, of which short polling has intervals, and a message of the push is expensive."""
    return [replace(SUBJECTS["short_polling"], bounds=bounds), SUBJECTS["long_polling"],
            replace(SUBJECTS["websocket"], costs=replace(COSTS["websocket"], answer_s=1e-3))]


def test_a_winner_that_stands_on_a_cost_s_lower_end_is_a_tie() -> None:
    """Answers of 50 updates: with 1 µs each polls are the cheapest by far, with 100 µs they aren't."""
    asked = Crossover(rates_per_s=(10.0,), clients=(100_000,), rtt_ms=(40.0,), staleness_ms=(5000.0,))
    free = Prices(worker_month=30.0, gigabyte_out=0.0)

    def cheapest(subjects: list[Candidate]) -> pd.DataFrame:
        table = crossover.table(list(crossover.fields(asked, DEMAND, subjects, 0.6, free)), 0.1)
        return table[table["asked"] == "cheapest"].set_index("transport")

    exact = cheapest(bounded())
    assert exact["known"].all()
    assert bool(exact["alone"]["short_polling"])
    assert (exact["least"] == exact["price_month"]).all()
    assert (exact["most"] == exact["price_month"]).all()
    close = cheapest(bounded(update_s=Estimate(1e-6, 0.0, 1.1e-6)))
    assert close["known"].all()
    polls = close.loc["short_polling"]
    assert polls["least"] < polls["price_month"] < polls["most"]
    far = cheapest(bounded(update_s=Estimate(1e-6, 0.0, 1e-4)))
    assert not far["alone"].any(), "a tie"
    assert far["best"]["short_polling"]
    assert far["best"]["websocket"]
    assert far["known"].all()
    assert far["most"]["short_polling"] > far["price_month"]["websocket"]


def test_who_is_the_freshest_needs_the_feed_s_way_known() -> None:
    asked = Crossover(rates_per_s=(1.0,), clients=(100,), rtt_ms=(1.0,), staleness_ms=(5000.0,))
    for high, won in ((0.00031, True), (0.01, False)):
        subjects = [replace(each, bounds={"feed_s": Estimate(0.0003, 0.0002, high)})
                    for each in SUBJECTS.values()]
        fresh = [each for each in crossover.fields(asked, DEMAND, subjects, 0.6, None)
                 if each.asked == "freshest"]
        assert [each.known(0.1) for each in fresh] == [True]
        assert [len(each.best(0.1)) == 1 for each in fresh] == [won]


def offered(figure: float) -> crossover.Offer:
    """Return an offer with this CPU; infinite: an impossible one."""
    none = crossover.refused("overload")
    return none if math.isinf(figure) else replace(none, why_not="", cores=figure)


@pytest.mark.parametrize(("spans", "best", "known"), [
    ({"a": (1, 1, 1), "b": (2, 2, 2)}, "a", True),
    ({"a": (1, 1, 2.5), "b": (2, 2, 2)}, "ab", True),
    ({"a": (1, 1, 1.5), "b": (2, 1.6, 2)}, "a", True),
    ({"a": (1, 1, 1.5), "b": (2, 1.1, 2)}, "ab", True),
    ({"a": (1, 1, math.inf), "b": (2, 2, 2)}, "a", False),
    ({"a": (1, 1, 1), "b": (math.inf, 0.9, math.inf)}, "a", False),
    ({"a": (1, 1, 1), "b": (math.inf, 3, math.inf)}, "a", True),
    ({"a": (1, 1, 1), "b": (math.inf, math.inf, math.inf)}, "a", True),
    ({"a": (math.inf, math.inf, math.inf)}, "", True),
    ({"a": (math.inf, 1, math.inf)}, "", False),
    ({"a": (1, 1, 1), "b": (1.05, 1.05, 1.05)}, "ab", True),
    ({"a": (1, 0.9, 1), "b": (1.05, 1, 1.05)}, "ab", True),
])
def test_what_spans_do_not_separate_is_a_tie_and_who_may_be_unable_leaves_it_open(
    spans: dict[str, tuple[float, float, float]], best: str, known: bool,
) -> None:
    offers = {label: [offered(each) for each in three] for label, three in spans.items()}
    field = crossover.Field("cheapest", 1.0, 1, 1.0, 1000.0,
                            {label: each[0] for label, each in offers.items()},
                            {label: (each[1], each[2]) for label, each in offers.items()})
    assert "".join(field.best(0.1)) == best
    assert field.known(0.1) == known


@pytest.mark.parametrize(("times", "best"), [(1.2, "ab"), (1.8, "a")])
def test_the_errors_of_a_validation_make_ties_of_close_winners(times: float, best: str) -> None:
    """A lead of 1.2 of costs that the model met to within a quarter is none."""
    offers = {"a": offered(1.0), "b": offered(times)}
    spans = {label: (offer, offer) for label, offer in offers.items()}
    truths = {label: {"cpu": (0.8, 1.25)} for label in offers}
    field = crossover.Field("cheapest", 1.0, 1, 1.0, 1000.0, offers, spans, truths)
    assert "".join(field.best(0.1)) == best
    assert field.span("a") == pytest.approx((0.8, 1.25))
    bare = crossover.Field("cheapest", 1.0, 1, 1.0, 1000.0, offers, spans)
    assert bare.best(0.1) == ["a"]
