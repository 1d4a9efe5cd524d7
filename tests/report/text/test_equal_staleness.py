"""The sentence on what costs less at equal staleness: it follows from the records alone, and is exchanged with them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from swept_runs import FLUSHES_MS, INTERVALS_S, swept_run

from bench.report import RunData, open_run
from bench.report.data.swept import put_beside
from bench.report.figures.sweep import SWEEP
from bench.report.pages import run as pages
from bench.report.text import equal_staleness
from bench.report.text.first_screen import CPU

A_PUSH = "a push with flush"


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """A run at 40 ticks/s in which a push costs a fifth of a poll's CPU, beside one at 20 in which it costs more."""
    folder = tmp_path_factory.mktemp("joined")
    own, other = swept_run(folder / "at-40"), swept_run(folder / "at-20", 20.0, push=5.0, seed=2)
    put_beside(own, [other])
    return open_run(own.folder)


def alone(run: RunData) -> RunData:
    return replace(run, other_rates=None)


def test_the_sentence_says_what_costs_less_at_each_rate(joined: RunData) -> None:
    told = equal_staleness.answer(joined)
    found = re.match(rf"At equal staleness, ([\d.]+) to ([\d.]+) ms of excess age, {A_PUSH} costs less than polls in "
                     r"server CPU per update at 40 ticks/s and costs more than polls at 20 ticks/s \(0\.", told)
    assert found is not None   # values in this order
    compared = equal_staleness.compared_at_equal(joined, CPU)
    assert [float(each) for each in found.groups()] == pytest.approx(
        [min(each.curves.low for each in compared), max(each.curves.high for each in compared)], rel=0.01)
    assert re.search(r" times as much\), and [a-z ]+ polls in bytes per update", told)
    whole = pages.answer_text(joined)
    assert whole.startswith(f"{told.removesuffix('.')} – with ")
    assert "20 and 40 ticks/s" in whole
    own = equal_staleness.answer(alone(joined))
    assert f"{A_PUSH} costs less than polls in server CPU per update (0." in own


def test_the_ratio_is_that_of_the_curves(joined: RunData) -> None:
    for each, expected in zip(equal_staleness.compared_at_equal(joined, CPU), (5.0, 0.2), strict=True):
        assert each.effect.interval.estimate == pytest.approx(expected, rel=0.25)
        assert each.effect.interval.low < each.effect.interval.estimate < each.effect.interval.high
        assert each.effect.separable


def test_whoever_has_the_records_has_the_finding(joined: RunData) -> None:
    run = alone(joined)
    names = {f"short_polling interval_s={mine}": f"websocket flush_ms={theirs}"
             for mine, theirs in zip(INTERVALS_S, FLUSHES_MS, strict=True)}
    names |= {theirs: mine for mine, theirs in names.items()}
    swapped = replace(run, trials=run.trials.assign(transport=run.trials["transport"].map(names)))
    (own,), (other,) = (equal_staleness.compared_at_equal(each, CPU) for each in (run, swapped))
    assert (own.outcome, other.outcome) == ("less", "more")
    assert own.effect.interval.estimate == pytest.approx(1 / other.effect.interval.estimate)
    assert " costs more than polls in server CPU per update (" in equal_staleness.answer(swapped)


def test_what_cannot_be_told_apart_is_a_tie(joined: RunData) -> None:
    run = alone(joined)
    cpu = run.trials["server_cpu_us_per_update"]
    pushed = run.trials["transport"].str.startswith("websocket")
    noisy = cpu.where(~pushed, cpu * 5 * run.trials["block"].map({1: 0.5, 2: 2.0, 3: 0.6, 4: 1.8}))
    told = equal_staleness.answer(replace(run, trials=run.trials.assign(server_cpu_us_per_update=noisy)))
    assert f"{A_PUSH} ties with polls in server CPU per update (" in told


def test_a_flush_that_is_needless_is_named(joined: RunData) -> None:
    """Where the push without flush is fresher and costs less in every trial."""
    run = alone(joined)
    assert "without flush" not in equal_staleness.answer(run).partition(", and ")[0]   # what it says of CPU
    cheap = run.trials["transport"] == "websocket flush_ms=0"
    trials = run.trials.assign(server_cpu_us_per_update=run.trials["server_cpu_us_per_update"].where(~cheap, 0.01))
    told = equal_staleness.answer(replace(run, trials=trials))
    assert re.search(r"times as much; without flush it costs still less, and is fresher, at 40 ticks/s\), and", told)


def test_each_rate_has_a_line_and_a_row_of_the_figure(joined: RunData) -> None:
    told = equal_staleness.lines(joined)
    found = re.findall(r"^At (\d+) ticks/s and an excess age of [\d.]+ to [\d.]+ ms, ([^:]+):", "\n".join(told), re.M)
    assert found == [(rate, noun) for noun in ("server CPU per update", "bytes per update") for rate in ("20", "40")]
    assert "; WebSocket by flush_ms 5" in told[0] or "; WebSocket by flush_ms 4" in told[0]
    axes = SWEEP.figure(joined).axes
    assert [each.get_title(loc="left") for each in axes[::2]] == ["20 ticks/s", "40 ticks/s"]
    assert len(SWEEP.figure(alone(joined)).axes) == 2


def test_a_run_without_a_sweep_of_both_has_no_such_finding(run: RunData, joined: RunData, tmp_path: Path) -> None:
    assert equal_staleness.answer(run) == ""
    assert equal_staleness.lines(run) == []
    first = alone(joined).trials
    one_block = replace(alone(joined), trials=first[first["block"] == 1])
    assert equal_staleness.answer(one_block) == ""
