"""The answer in a sentence: the cheapest plan, with its own latency, and no lower bound as one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from simulated_runs import made

from bench.report.pages import answer
from bench.report.pages.run import page
from bench.stats.run.capacity_plan import RequiredResources
from bench.stats.run.summary import summarise

PUSH = RequiredResources(
    transport="websocket", clients=1_000_000, workers_simulated=80, load_simulated=0.1,
    latency_p50_simulated_ms=73.0, latency_p99_simulated_ms=141.0, cpu_cores=5.9, full_at=0.6, workers=10,
    short=False, gbit_out_per_s=0.8, gbit_in_per_s=0.3, requests_per_s=0.0, sockets=1e6, memory_gb=13.3,
    workers_month=300.0, traffic_month=13368.0, month=13668.0, currency="USD", latency_mean_ms=512.0,
)
POLL = replace(PUSH, transport="short_polling", workers=33, month=27336.0, latency_mean_ms=1020.0)


def test_the_cheapest_has_its_own_latency_and_the_others_beside_it() -> None:
    assert answer.of_plan([POLL, PUSH]) == (
        "The cheapest for 1,000,000 clients: WebSocket, 10 workers, 13,700 USD per month, with a mean latency "
        "of 512 ms (closed form). Short polling takes 33 workers, 27,300 USD per month.")


def test_without_prices_workers_count() -> None:
    bare = [replace(need, month=math.nan, latency_mean_ms=math.nan) for need in (POLL, PUSH)]
    assert answer.of_plan(bare) == (
        "The fewest workers for 1,000,000 clients: WebSocket, 10 workers. Short polling takes 33 workers.")


def test_as_few_workers_make_no_winner() -> None:
    few = [replace(need, month=math.nan, workers=1, clients=500) for need in (POLL, PUSH)]
    long = replace(few[0], transport="long_polling", workers=2)
    assert answer.of_plan([*few, long]) == (
        "500 clients take 1 worker by short polling and WebSocket alike. Long polling takes 2 workers.")


def test_what_the_bands_do_not_separate_is_a_tie() -> None:
    """384 and 391 of costs that are known to a sixth: no winner, and no digits beyond the band."""
    push = replace(PUSH, clients=20_000, workers=2, month=391.2, month_low=336.0, month_high=463.0,
                   least_share=0.4)
    poll = replace(push, transport="short_polling", month=384.1, month_low=331.0, month_high=452.0,
                   least_share=0.58, latency_mean_ms=2540.0)
    long = replace(push, transport="long_polling", workers=5, month=900.0, month_low=800.0, month_high=1000.0,
                   least_share=0.02)
    assert answer.of_plan([long, push, poll]) == (
        "The cheapest for 20,000 clients: a tie, since costs and model are not known precisely enough to "
        "separate short polling, 2 workers, 380 (330–450) USD per month, with a mean latency of 2,540 ms "
        "(closed form) and WebSocket, 2 workers, 390 (340–460) USD per month, with a mean latency of 512 ms "
        "(closed form). Long polling takes 5 workers, 900 (800–1,000) USD per month.")
    known = [replace(need, least_share=share) for need, share in ((push, 0.03), (poll, 0.96), (long, 0.01))]
    assert answer.of_plan(known).startswith("The cheapest for 20,000 clients: short polling, 2 workers, 380 ")


def test_an_answer_says_how_far_beyond_what_was_checked_it_is(tmp_path: Path) -> None:
    """Sixty clients of one worker, where twenty were checked."""
    told = answer.sentence(made(tmp_path))
    assert "beyond what was checked: a worker of WebSocket has 3 × the clients" in told


def test_a_form_without_end_is_no_latency() -> None:
    assert "inf" not in answer.of_plan([replace(PUSH, latency_mean_ms=math.inf)])
    assert "latency" not in answer.of_plan([replace(PUSH, latency_mean_ms=math.inf)])


def test_the_freshest_has_the_others_beside_it() -> None:
    ages = {"short_polling": 453.0, "websocket": 29.04}
    one = ("The freshest, with the 40 workers simulated: WebSocket, with 29.0 ms of excess age (short polling 453 ms)")
    assert answer.of_ages(ages, 40, ["websocket"]) == f"{one}."
    assert answer.of_ages(ages, 40, []) == f"{one}; too few valid blocks to exclude chance."
    assert answer.of_ages({"websocket": 29.0}, 40, ["websocket"]) == ""


def test_the_freshest_that_trials_do_not_separate_tie() -> None:
    ages = {"short_polling": 453.0, "websocket": 29.04, "sse": 29.11}
    assert answer.of_ages(ages, 40, ["websocket", "sse"]) == (
        "The freshest, with the 40 workers simulated: WebSocket and SSE, a tie, with 29.0 ms and 29.1 ms of excess age "
        "(short polling 453 ms).")
    assert answer.of_ages({"sse": 29.1, "websocket": 29.0}, 1, ["websocket", "sse"]) == (
        "The freshest, with the 1 worker simulated: WebSocket and SSE, a tie, with 29.0 ms and 29.1 ms of excess age.")


def test_the_answer_names_no_freshest_within_a_tie(tmp_path: Path) -> None:
    run = made(tmp_path)
    trials = run.trials.copy()
    for label, ages in (("websocket", (10.0, 11.0, 12.0)), ("long_polling", (11.0, 10.0, 12.5))):
        for block, age in enumerate(ages, start=1):
            rows = (trials["transport"] == label) & (trials["block"] == block)
            trials.loc[rows, "age_excess_mean_ms"] = age
    told = answer.sentence(replace(run, trials=trials, summary=summarise(trials, run.transports)))
    assert " simulated: WebSocket and long polling, a tie, with 11.0 ms and 11.1 ms of excess age (short " in told


def test_a_lower_bound_wins_nothing() -> None:
    short = replace(PUSH, short=True)
    found = "The cheapest for 1,000,000 clients: short polling, 33 workers"
    assert answer.of_plan([POLL, short]).startswith(found)
    assert "WebSocket kept 80 workers busier than a plan allows" in answer.of_plan([POLL, short])
    assert answer.of_plan([short]).startswith("No plan for 1,000,000 clients yet.")


@pytest.mark.usefixtures("few_figures")
def test_the_page_begins_with_it(tmp_path: Path) -> None:
    run = made(tmp_path)
    assert page(run).answer == answer.sentence(run) != ""
    assert answer.of_plan([]) == ""
