"""A run ends once its intervals are narrow, at the same block however it got there."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.scenario.stop_rule import StopRule, parse
from bench.stats.run.intervals import interval
from bench.stats.run.stopping import ended_after, standing

CELLS = [("a", 10), ("b", 10), ("b", 20)]


def frame(blocks: int, spread: float, seed: int = 1, cells: list[tuple[str, int]] = CELLS) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame([
        {"transport": label, "clients": clients, "block": block, "verdict": "VALID", "delivered": 5000,
         "late": 0, "lost": 0, "latency_p99_ms": 3.0 * rng.lognormal(0, spread),
         "latency_mean_ms": 1.0 * rng.lognormal(0, spread * (5 if label == "b" else 1))}
        for block in range(1, blocks + 1) for label, clients in cells
    ])


def test_the_reach_is_that_of_the_widest_interval() -> None:
    trials = frame(6, 0.05)
    found = standing(trials, parse("mean ± 10 %"), CELLS)
    reaches = {}
    for cell in CELLS:
        mine = trials[(trials["transport"] == cell[0]) & (trials["clients"] == cell[1])]["latency_mean_ms"]
        within = interval(mine.to_numpy())
        reaches[cell] = within.high / within.estimate - 1
        assert 1 - within.low / within.estimate < reaches[cell]
    assert found.reach == pytest.approx(max(reaches.values()))
    assert (found.label, found.clients) == max(reaches, key=lambda cell: reaches[cell])


@pytest.mark.parametrize(("text", "reached"), [
    ("mean of a ± 10 %", True), ("mean of b ± 10 %", False), ("mean ± 10 %", False),
    ("mean of a at 10 ± 10 %", True), ("mean of a ± 0.1 %", False),
])
def test_only_the_cells_that_are_named_count(text: str, reached: bool) -> None:
    assert standing(frame(8, 0.05), parse(text), CELLS).reached is reached


@pytest.mark.parametrize("change", [
    {"verdict": "INVALID"}, {"latency_p99_ms": math.inf}, {"latency_p99_ms": math.nan}, {"delivered": 100},
])
def test_a_cell_without_an_interval_is_never_narrow(change: dict[str, object]) -> None:
    trials = frame(6, 0.01)
    rule = StopRule("p99", 0.5)
    assert standing(trials, rule, CELLS).reached
    bad = trials.copy()
    for name, value in change.items():
        bad[name] = bad[name].astype(object).where(bad["transport"] != "b", value)
    found = standing(bad, rule, CELLS)
    assert (found.label, found.reach) == ("b", math.inf)
    assert ended_after(bad, rule, CELLS, 2) is None


def test_it_looks_after_whole_blocks_and_not_before_there_are_enough() -> None:
    trials = frame(12, 0.05)
    rule = StopRule("p99", 0.06)
    ended = ended_after(trials, rule, CELLS, 3)
    assert ended is not None
    assert 3 < ended < 12
    # What came after changes nothing: the run would have ended there.
    assert ended_after(trials[trials["block"] <= ended], rule, CELLS, 3) == ended
    assert ended_after(trials[trials["block"] < ended], rule, CELLS, 3) is None
    assert ended_after(trials, rule, CELLS, 10) == 10
    assert ended_after(trials, rule, CELLS, 13) is None


def test_intervals_still_hold_the_truth_in_about_94_of_100_runs() -> None:
    """2,000 runs of up to 30 blocks at once: five before the first look, ± 4 %, trials spread by 6 %."""
    runs, most, first = 2000, 30, 5
    logs = np.random.default_rng(7).normal(0, 0.06, (runs, most))
    number = np.arange(1, most + 1)
    mean = logs.cumsum(axis=1) / number
    squares = (logs**2).cumsum(axis=1) - number * mean**2
    t = stats.t.ppf(0.975, np.maximum(number - 1, 1))
    half = t * np.sqrt(squares / np.maximum(number - 1, 1) / number)
    narrow = np.exp(half) - 1 <= 0.04
    narrow[:, : first - 1] = False
    narrow[:, -1] = True
    ended = narrow.argmax(axis=1)
    held = np.abs(mean[np.arange(runs), ended]) <= half[np.arange(runs), ended]
    assert 0.92 < held.mean() < 0.96
    assert 10 < (ended + 1).mean() < 15
