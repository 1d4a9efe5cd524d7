"""Closed forms stand beside what was measured, with the push transport's mean as the way."""

from __future__ import annotations

import pytest
from synthetic import Made, Plan, make_run

from bench.report import Run, open_run, theory


def test_the_push_transport_is_found_by_what_it_asks(run: Run) -> None:
    assert theory.push(run) == "websocket"


def test_records_that_follow_the_model_agree_with_it(run: Run) -> None:
    found = {(each.figure, each.transport, each.clients): each for each in theory.foreseen(run)}
    assert len(found) == 3 * 2 * 2
    for (figure, transport, _), each in found.items():
        if transport == "short_polling":
            assert abs(each.off) < 0.06, figure
    mean = found["latency_mean_ms", "short_polling", 30]
    push = run.summary.set_index(["transport", "clients"]).loc[("websocket", 30), "latency_mean_ms"]
    assert mean.foreseen == pytest.approx(500 + push)


def test_what_a_client_asks_for(run: Run) -> None:
    rate_per_s, symbols = theory.demand(run, 30)
    assert rate_per_s == pytest.approx(40, rel=0.25)
    assert symbols == 4


def test_without_a_push_transport_there_is_nothing_to_draw(tmp_path_factory: pytest.TempPathFactory) -> None:
    plan = Plan(trials=1, clients=(3,), subjects={"short_polling": Made("short_polling")})
    alone = open_run(make_run(tmp_path_factory.mktemp("runs") / "alone", plan))
    assert theory.push(alone) is None
    assert theory.foreseen(alone) == []
