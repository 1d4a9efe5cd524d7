"""A scenario's decision: candidates from the costs file, percentiles by the engine, tables with bands."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import scaled
from priced import priced

from bench.errors import ScenarioError
from bench.simulation import shards
from bench.simulation.crossover.crossover import Candidate, Offer
from bench.simulation.decision import decision, decision_study
from bench.simulation.decision.decision import Situation
from bench.simulation.decision.decision_study import DecisionStudy
from bench.stats.run.prediction import ValidationRow
from bench.wire.sizes import SEGMENT_BYTES


def study(folder: Path, *overrides: str, messages: bool = False) -> DecisionStudy:
    asked = scaled.decision(folder, *overrides)
    return DecisionStudy.of(asked.scenario, asked.options, priced(messages), where=str(asked.file))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[DecisionStudy, pd.DataFrame]:
    found = study(tmp_path_factory.mktemp("decision"), 'decision.now="short_polling interval_s=5"')
    choice, truths = found.choice()
    results = {name: task() for name, task in found.tasks(choice).items()}
    return found, found.table(choice, truths, results)


def test_the_engine_agrees_with_what_is_predicted(made: tuple[DecisionStudy, pd.DataFrame]) -> None:
    _, table = made
    polls = table[table["transport"] == "short_polling"].set_index("role")
    for role, interval_s in (("best", polls.loc["best", "interval_s"]), ("now", 5.0)):
        row = polls.loc[role]
        assert row["latency_p50_ms"] == pytest.approx(1000 * interval_s / 2 + 20, rel=0.1)
        assert row["latency_p99_ms"] == pytest.approx(990 * interval_s + 20, rel=0.1)
    pushed = table[table["transport"] == "websocket"].iloc[0]
    assert 20 < pushed["latency_p50_ms"] < pushed["latency_p99_ms"] < 2000


def test_each_figure_lies_within_its_band(made: tuple[DecisionStudy, pd.DataFrame]) -> None:
    _, table = made
    for name in ("workers", "cores", "bytes_down_per_s", "age_excess_ms"):
        assert (table[f"{name}_low"] <= table[name]).all()
        assert (table[name] <= table[f"{name}_high"]).all()
    assert table.loc[table["role"] == "now", "chosen"].sum() == 0
    assert table["chosen"].any()


@pytest.mark.parametrize(("now", "found", "allowed"), [
    ("carrier_pigeon", "'carrier_pigeon'", "one of short_polling, long_polling, websocket"),
    ("short_polling 5", "'5'", "an option with its value"),
    ("short_polling interval_s=-1", "-1", "0"),
    ("websocket interval_s=1", "interval_s", ""),
])
def test_what_is_used_now_must_be_a_transport_with_options(tmp_path: Path, now: str, found: str, allowed: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        study(tmp_path, f'decision.now="{now}"')
    assert "decision.now" in str(caught.value)
    assert found in str(caught.value)
    assert allowed in str(caught.value)


def test_a_larger_payload_takes_more_bytes(tmp_path: Path) -> None:
    small, large = (study(tmp_path, f"decision.payload_bytes={size}") for size in (100, 1000))
    label = small.subjects[-1].label
    sent = [decision.best(each.subjects[-1], each.situation).bytes_down_per_s for each in (small, large)]
    assert sent[1] - sent[0] == pytest.approx(900 * 300, rel=0.1), label


def test_a_dozen_situations_are_judged_by_the_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The engine, which the decision has not seen, agrees on who is the freshest of two, where they are not a tie."""
    right, judged = 0, 0
    for clients, rate in ((50, 0.5), (50, 5.0), (400, 0.2), (400, 0.5), (400, 2.0), (400, 5.0)):
        found = study(tmp_path, f"load.clients=[{clients}]", f"feed.rate_per_s={rate}")
        choice, _ = found.choice()
        ages = {}
        for each in found.subjects:
            made = choice.offers[each.label]
            if made.possible:
                ages[each.label] = (_ranked(made), found.percentiles(each.as_offered(made), made)["latency_p50_ms"])
        for one, other in ((a, b) for a in ages for b in ages if a < b):
            mine, theirs = ages[one], ages[other]
            if abs(mine[0] / theirs[0] - 1) < 0.2:
                continue   # a tie
            judged += 1
            right += (mine[0] < theirs[0]) == (mine[1] < theirs[1])
    with capsys.disabled():
        print(f"\n{right} of {judged} situations were predicted right")   # noqa: T201
    assert judged >= 12
    assert right == judged


# Clients, updates per second of each, the longest staleness: which transport is the least expensive varies with them.
DOZEN = [(clients, rate, within_ms) for clients, rate in ((300, 0.2), (1_000, 3.0), (9_000, 0.1), (20_000, 1.0))
         for within_ms in (500.0, 3_000.0, 20_000.0)]


def test_a_dozen_answers_are_judged_by_the_engine(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's CPU and ages, which no decision has seen, name a transport that the decision has chosen."""
    monkeypatch.setattr(decision_study, "TICKS", 60)
    right, alone, wrong = 0, 0, []
    staler: list[bool] = []
    for clients, rate, within_ms in DOZEN:
        found = study(tmp_path, f"load.clients=[{clients}]", f"feed.rate_per_s={rate}",
                      f"decision.within_ms={within_ms}")
        choice, _ = found.choice()
        ranks = {each.label: _by_the_engine(found, each, choice.offers[each.label]) for each in found.subjects
                 if choice.offers[each.label].possible}
        best = min(ranks, key=ranks.__getitem__)
        right += best in choice.chosen
        alone += len(choice.chosen) == 1
        staler += [ranks[label][1] > ranks[best][1] for label in set(choice.cheapest) - set(choice.chosen)]
        wrong += [(clients, rate, within_ms, best, choice.chosen)] * (best not in choice.chosen)
    with capsys.disabled():
        print(f"\n{right} of {len(DOZEN)} answers were right, {alone} of them without a tie")   # noqa: T201
    assert right == len(DOZEN) >= 12, wrong
    assert alone
    assert staler, "no transport as inexpensive as others was left out for its age"
    assert all(staler)


def _by_the_engine(found: DecisionStudy, candidate: Candidate, offer: Offer) -> tuple[int, float]:
    """Return the workers that a transport takes by one simulated worker's CPU, and the mean latency of its updates."""
    case = found.case(candidate.as_offered(offer), offer)
    part = shards.simulate(case, 0)
    clients, measure_s, sums = case.planned.clients, case.scenario.windows.measure_s, part.tallied.sums
    drawn = sums["updates_due"] / clients / measure_s / found.situation.demand.rate_per_s   # ticks drawn ÷ expected
    cores = (part.busy_s / drawn / measure_s + candidate.costs.idle_s(1.0, clients)) / clients
    predicted = offer.cores / found.situation.clients
    workers = math.ceil(found.situation.clients / offer.per_worker * cores / predicted - 1e-9)
    return workers, sums["app_latency_ns"] / (sums["delivered"] + sums["late"])


def _ranked(made: Offer) -> float:
    return made.latency_mean_s


@pytest.mark.parametrize(("clients", "full_at"), [(300, 0.6), (1300, 0.02)])
def test_the_engine_takes_the_messages_that_the_closed_forms_count(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clients: int, full_at: float) -> None:
    """One worker takes those of its own clients; those of the others' come to it as ticks."""
    monkeypatch.setattr(decision_study, "TICKS", 4000)
    found = study(tmp_path, "decision.room_clients=20", f"load.clients=[{clients}]", f"simulation.full_at={full_at}",
                  messages=True)
    choice, truths = found.choice()
    for each in found.subjects:
        made = choice.offers[each.label]
        assert (made.workers > 1) == (clients > 300)
        case = found.case(each.as_offered(made), made)
        part = shards.simulate(case, 0)
        measure_s, sums = case.scenario.windows.measure_s, part.tallied.sums
        cores = part.busy_s / measure_s + each.costs.idle_s(1.0, len(shards.clients_of(case, 0)))
        assert cores == pytest.approx(made.cores / made.workers, rel=0.05), each.label
        assert sums["app_latency_ns"] / (sums["delivered"] + sums["late"]) / 1e9 == pytest.approx(
            made.latency_mean_s, rel=0.05), each.label
        up = part.counters["bytes_up"] + SEGMENT_BYTES * part.counters["segments_up"]
        assert up / measure_s == pytest.approx(made.bytes_up_per_s / made.workers, rel=0.05), each.label
        assert part.server_counts["messages"] == pytest.approx(
            found.situation.sent_per_s * case.horizon_s / made.workers, rel=0.1)
    table = found.table(choice, truths, {})
    assert (table["sent_per_s"] == clients / 20).all()
    assert table["message_cpu_known"].all()
    assert (table["bytes_up_per_s_low"] <= table["bytes_up_per_s"]).all()


def test_messages_without_known_costs_still_take_requests_and_bytes(tmp_path: Path) -> None:
    listening, sending = study(tmp_path), study(tmp_path, "decision.room_clients=2")
    for asked, other in zip(listening.subjects, sending.subjects, strict=True):
        fewer, more = (decision.best(each, found.situation) for each, found in ((asked, listening), (other, sending)))
        assert not other.knows_messages
        assert more.bytes_up_per_s > fewer.bytes_up_per_s
        assert more.requests_per_s > fewer.requests_per_s or not other.cycle.posts


def test_a_situation_is_the_scenario_s(tmp_path: Path) -> None:
    asked: Situation = study(tmp_path, "load.clients=[7]", "simulation.full_at=0.5").situation
    assert (asked.clients, asked.within_s, asked.rtt_s, asked.full_at) == (7, 2.0, 0.04, 0.5)


def test_a_validation_of_the_default_servers_says_nothing_of_others(tmp_path: Path) -> None:
    asked = scaled.decision(tmp_path)
    checked = [ValidationRow("websocket", 100, 0.5, "server_cpu_us_per_update", 10.0, 12.0, 0.2, 0.1, 0.3, 0.1, "no")]
    library = DecisionStudy.of(asked.scenario, asked.options, priced(), checked)
    bare = replace(library, subjects=[replace(each, server="bare") for each in library.subjects])
    for found, errors, load in ((library, 1, 0.5), (bare, 0, math.nan)):
        [pushed] = [each for each in found.subjects if each.label == "websocket"]
        assert len(found._errors(pushed)["cpu"]) == errors
        choice, truths = found.choice()
        table = found.table(choice, truths, {}).set_index("transport")
        assert table.loc["websocket", "checked_load_max"] == pytest.approx(load, nan_ok=True)


def test_a_transport_that_is_labelled_now_is_not_what_is_used_now(tmp_path: Path) -> None:
    found = study(tmp_path, "transports.now.transport=websocket", 'decision.now="short_polling interval_s=5"')
    choice, _ = found.choice()
    assert {"worker-now", "now"} <= set(found.tasks(choice))
