"""Findings come from the numbers: exchange two transports' records and the sentences are exchanged."""

from __future__ import annotations

import math
import re

import pytest

from bench.report import Run, style
from bench.report.findings import QUESTIONS, effect_text, findings, interval_text, separable_text
from bench.stats.comparison import Comparison
from bench.stats.intervals import Effect, Interval
from bench.stats.summary import summarise


def sentences(run: Run) -> list[str]:
    return [text for finding in findings(run) for text in (finding.lead, *finding.rest)]


def test_each_question_has_a_finding(run: Run) -> None:
    found = findings(run)
    assert [finding.question.column for finding in found] == [question.column for question in QUESTIONS]
    assert all(len(finding.rest) == 2 for finding in found)


def test_exchanging_two_transports_exchanges_the_findings(run: Run, swapped: Run) -> None:
    long, push = style.title("long_polling"), style.title("websocket")

    def exchanged(text: str) -> str:
        return text.replace(long, "@").replace(push, long).replace("@", push)

    assert sentences(run) != sentences(swapped)
    assert [exchanged(text) for text in sentences(run)] == sentences(swapped)


def test_the_lowest_is_named_with_its_interval(run: Run) -> None:
    lead = findings(run)[0].lead
    assert re.fullmatch(r"Lowest median latency: WebSocket with 1\.\d+ ms \(.+–.+\)\.|"
                        r"Lowest median latency: WebSocket with 0\.\d+ ms \(.+–.+\)\.", lead)


def test_two_that_are_alike_are_not_told_apart(troubled: Run) -> None:
    first = findings(troubled)[0]
    assert "cannot be told apart" in first.lead
    assert any("not separable" in sentence for sentence in first.rest)


def test_one_block_names_no_winner(run: Run) -> None:
    first = run.trials[run.trials["block"] == 1]
    alone = Run(run.folder, run.manifest, first, summarise(first, run.transports), run.distributions,
                run.timelines)
    found = findings(alone)
    assert all("too few valid blocks to tell" in finding.lead for finding in found)
    assert all("too few valid blocks to say" in sentence for finding in found for sentence in finding.rest)


def test_the_lost_are_said(troubled: Run) -> None:
    p99 = next(finding for finding in findings(troubled) if finding.question.column == "latency_p99_ms")
    assert "lossy: the figure falls among updates that were lost." in p99.rest


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


def test_a_figure_in_words(run: Run) -> None:
    row = run.summary.iloc[0].copy()
    row[["latency_p50_ms", "latency_p50_low_ms", "latency_p50_high_ms"]] = 1.2345, 1.1, 1.4
    assert interval_text(row, QUESTIONS[0]) == "1.23 ms (1.10–1.40)"
    row["latency_p50_ms"] = math.inf
    assert interval_text(row, QUESTIONS[0]) == "lost"
    row["latency_p50_ms"] = math.nan
    assert interval_text(row, QUESTIONS[0]) == "–"
