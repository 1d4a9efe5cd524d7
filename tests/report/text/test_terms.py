"""Every heading with a term leads to one that is there."""

from __future__ import annotations

from bench.report.text.findings import KERNEL, QUESTIONS, TAIL
from bench.report.text.terms import HEADINGS, TERMS, term_of


def test_every_heading_leads_to_a_term_and_every_term_has_a_heading() -> None:
    assert set(HEADINGS.values()) == set(TERMS)


def test_every_measure_of_a_report_is_explained() -> None:
    for question in (*QUESTIONS, *TAIL.values(), KERNEL["latency_p50_ms"]):
        assert term_of(question.heading), question.heading
    assert term_of("no such heading") == ""
