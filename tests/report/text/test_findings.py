"""Findings come from the numbers: exchange two transports' records and the sentences are exchanged."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pandas as pd
import pytest

from bench.report import RunData, style
from bench.report.text.findings import (
    QUESTIONS,
    effect_text,
    findings,
    interval_text,
    separable_text,
    spread_text,
    tie_text,
)
from bench.stats.run.comparison import Comparison
from bench.stats.run.intervals import LOST, Effect, Interval
from bench.stats.run.summary import summarise
from bench.stats.trial.row import COLUMNS


def sentences(run: RunData) -> list[str]:
    return [text for finding in findings(run) for text in (finding.lead, *finding.rest)]


def test_each_question_has_a_finding(run: RunData) -> None:
    found = findings(run)
    assert [finding.question.column for finding in found] == [question.column for question in QUESTIONS]
    assert all(len(finding.rest) == 2 for finding in found)


def test_exchanging_two_transports_exchanges_the_findings(run: RunData, swapped: RunData) -> None:
    long, push = style.title("long_polling"), style.title("websocket")

    def exchanged(text: str) -> str:
        return text.replace(long, "@").replace(push, long).replace("@", push)

    assert sentences(run) != sentences(swapped)
    assert [exchanged(text) for text in sentences(run)] == sentences(swapped)


def test_the_lowest_is_named_with_its_interval(run: RunData) -> None:
    lead = findings(run)[0].lead
    assert re.fullmatch(r"Lowest median latency: WebSocket with 1\.\d+ ms \(.+–.+\)\.|"
                        r"Lowest median latency: WebSocket with 0\.\d+ ms \(.+–.+\)\.", lead)


def test_two_that_are_alike_are_not_told_apart(troubled: RunData) -> None:
    first = findings(troubled)[0]
    assert "cannot be separated" in first.lead
    assert any("not separable" in sentence for sentence in first.rest)


def test_one_block_names_no_winner(run: RunData) -> None:
    first = run.trials[run.trials["block"] == 1]
    alone = RunData(run.folder, run.manifest, first, summarise(first, run.transports), run.distributions,
                run.timelines)
    found = findings(alone)
    assert all("too few valid blocks to separate" in finding.lead for finding in found)
    assert all("too few valid blocks to say" in sentence for finding in found for sentence in finding.rest)


def test_the_lost_are_said(troubled: RunData) -> None:
    p99 = next(finding for finding in findings(troubled) if finding.question.column == "latency_p99_ms")
    row = troubled.summary.set_index(["transport", "clients"]).loc[("lossy", 60)]
    assert p99.rest[-1] == (f"lossy's 99th percentile of latency is lost: {row['lost']:,} of "
                            f"{row['updates_due']:,} updates never arrived.")
    assert "lossy" not in p99.lead


def changed(run: RunData, transport: str, blocks: int, **figures: float) -> RunData:
    """Return the run with some figures of a transport exchanged, in the first `blocks` blocks."""
    trials = run.trials.copy()
    rows = (trials["transport"] == transport) & (trials["block"] <= blocks)
    for name, value in figures.items():
        trials.loc[rows, name] = value
    return RunData(run.folder, run.manifest, trials, summarise(trials, run.transports), run.distributions,
               run.timelines)


def test_a_figure_that_is_lost_in_one_trial_has_no_ratio(run: RunData) -> None:
    p99 = findings(changed(run, "websocket", 1, latency_p99_ms=math.inf, lost=7))[1]
    assert p99.lead.startswith("Lowest 99th percentile of latency: long polling with")
    assert p99.rest[-1].startswith("WebSocket's 99th percentile of latency is lost: 7 of ")
    assert not any("WebSocket" in sentence for sentence in p99.rest[:-1])


def test_where_nothing_arrives_the_transport_stays_in_the_findings(run: RunData) -> None:
    gone = findings(changed(run, "websocket", 4, latency_p50_ms=math.inf, latency_p99_ms=math.inf,
                            bytes_down_per_update=math.nan, arrivals=0))
    said = {finding.question.column: finding.rest[-1] for finding in gone}
    assert said["latency_p50_ms"].startswith("WebSocket's median latency is lost")
    assert said["bytes_down_per_update"] == "WebSocket has none: nothing arrived in 4 of 4 trials."


def test_all_that_are_lost_are_named_once(run: RunData) -> None:
    lost = run
    for transport in run.transports:
        lost = changed(lost, transport, 4, latency_p50_ms=math.inf)
    found = findings(lost)[0]
    assert found.lead.startswith("Lowest median latency: no one. short polling's median latency is lost")
    assert [sentence.partition("'")[0] for sentence in found.rest] == ["long polling", "WebSocket"]


@pytest.mark.parametrize(("factor", "told"), [
    (0.95, ""), (6.0, " By the instants of the clients' kernels it is 0.500 times."),
    (0.5, " By the instants of the clients' kernels it is 6.00 times."),
])
def test_a_ratio_that_the_kernel_sees_otherwise_is_told(run: RunData, factor: float, told: str) -> None:
    other = changed(run, "websocket", 4, latency_p50_ms=40, kernel_latency_p50_ms=40 * factor)
    other = changed(other, "long_polling", 4, latency_p50_ms=120, kernel_latency_p50_ms=120)
    sentence = next(each for each in findings(other)[0].rest if each.startswith("long"))
    assert sentence.startswith("long polling has 3.00")
    assert sentence.partition(";")[2].partition(").")[2] == told


def effect(kind: str, p_holm: float, *bounds: float) -> Comparison:
    return Comparison("f", 1, "a", "b", Effect(kind, Interval(*bounds, 5), p_holm, p_holm))


@pytest.mark.parametrize(("comparison", "text"), [
    (effect("ratio", 0.01, 1.5, 1.25, 1.75), "1.50 (1.25–1.75) times b's"),
    (effect("difference", 0.01, 2000, -1000, 5000), "2.00 kB (−1.00 to 5.00) more than b"),
    (effect("ratio", math.nan, 1.5, math.nan, math.nan), "1.50 times b's"),
])
def test_an_effect_in_words(comparison: Comparison, text: str) -> None:
    assert effect_text(comparison, QUESTIONS[-1], "b") == text


@pytest.mark.parametrize(("p", "text"), [
    (0.0001, "separable (p < 0.001)"), (0.031, "separable (p = 0.031)"), (0.2, "not separable (p = 0.2)"),
    (math.nan, "too few valid blocks to say whether they differ"),
])
def test_separability_in_words(p: float, text: str) -> None:
    assert separable_text(effect("ratio", p, 1, 1, 1), QUESTIONS[0]) == text


@pytest.mark.parametrize(("p", "text"), [(math.nan, "too few valid blocks to say"), (0.2, "a tie"), (0.01, "")])
def test_what_too_few_blocks_can_t_tell_is_no_tie(p: float, text: str) -> None:
    assert tie_text(effect("ratio", p, 1.3, 1.2, 1.4), []) == text


def test_a_clear_ratio_is_separable_whatever_the_correction_says() -> None:
    found = effect("ratio", 0.2, 5, 2, 12)
    found = replace(found, effect=replace(found.effect, clear=True))
    assert separable_text(found, QUESTIONS[0]) == (
        "separable (p = 0.2, but a factor of more than 1.5 in every block)")


def test_a_lost_figure_in_words() -> None:
    lost = Comparison("f", 1, "a", "b", LOST)
    assert effect_text(lost, QUESTIONS[0], "b") == "a value that is lost"
    assert separable_text(lost, QUESTIONS[0]) == "no ratio: an update that never arrives is infinitely late"


def test_a_figure_in_words(run: RunData) -> None:
    row = run.summary.iloc[0].copy()
    row[["latency_p50_ms", "latency_p50_low_ms", "latency_p50_high_ms"]] = 1.2345, 1.1, 1.4
    assert interval_text(row, QUESTIONS[0]) == "1.23 ms (1.10–1.40)"
    row["latency_p50_ms"] = math.inf
    assert interval_text(row, QUESTIONS[0]) == "lost"
    row["latency_p50_ms"] = math.nan
    assert interval_text(row, QUESTIONS[0]) == "–"


@pytest.mark.parametrize(("values", "text"), [
    ((20.1, 24.5), "22.2 µs (n = 2: 20.1, 24.5)"), ((20.1, 22.0, 24.5), "22.1 µs (n = 3: 20.1, 22.0, 24.5)"),
    ((20.0, 21.0, 22.0, 23.0), "21.5 µs (19.5–23.6)"),
])
def test_two_or_three_trials_are_printed_as_they_are(values: tuple[float, ...], text: str) -> None:
    figure = "server_cpu_us_per_update"
    rows = [{"transport": "a", "clients": 10, "verdict": "VALID", "source": "measured", figure: value}
            for value in values]
    trials = pd.DataFrame(rows, columns=[*COLUMNS, "verdict"])
    trials[["delivered", "late", "lost"]] = 1
    (_, row), = summarise(trials).iterrows()
    assert interval_text(row, next(each for each in QUESTIONS if each.column == figure)) == text


@pytest.mark.parametrize(("low", "high", "text"), [
    (1.0004, 1.2, " (1.0004–1.20)"), (0.5, 0.99996, " (0.500–0.99996)"), (0.9, 1.1, " (0.900–1.10)"),
    (1.0, 1.0, " (1.00–1.00)"), (0.0, math.inf, " (0–∞)"),
])
def test_a_bound_has_as_many_digits_as_tell_it_from_no_effect(low: float, high: float, text: str) -> None:
    assert spread_text(Interval(1.05, low, high, 5), none=1.0) == text


def test_of_a_tie_the_bounds_are_printed_however_few_its_blocks() -> None:
    found = Interval(1.19, 0.9, 1.6, 3, (1.17, 1.19, 1.21))
    assert spread_text(found) == " (n = 3: 1.17, 1.19, 1.21)"
    assert spread_text(Interval(1.2, math.nan, math.nan, 1)) == " (n = 1)"
    assert spread_text(replace(found, values=(), bounds_only=True)) == " (n = 3, interval 0.900–1.60)"
    assert spread_text(Interval(1.2, math.nan, math.nan, 2, bounds_only=True)) == (
        " (n = 2, too few for an interval)")
