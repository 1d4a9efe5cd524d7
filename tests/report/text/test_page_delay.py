from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from synthetic import Made, Plan, make_run

from bench.report import open_run
from bench.report.text import page_delay

PAGE = (("client", "browser"),)
ONE, OTHER = Made(delay_s=0.001), Made("long_polling", delay_s=0.002)
PLAN = Plan(trials=4, clients=(10,), subjects={
    "websocket": ONE, "websocket_browser": replace(ONE, delay_s=0.002, options=PAGE),
    "long_polling": OTHER, "long_polling_browser": replace(OTHER, delay_s=0.009, options=PAGE)})


def test_the_answer_names_what_a_page_adds_and_follows_the_records(tmp_path: Path) -> None:
    said = page_delay.answer(run := open_run(make_run(tmp_path / "pages", PLAN)))
    assert said.startswith("In a page of a browser the median latency differs from that of our own clients by +")
    first, second = said.partition(" by ")[2].split(" and ")
    assert first.endswith("with WebSocket")
    assert second.endswith("with long polling.")
    assert float(first.split()[0]) < 2 < 4 < float(second.split()[0])
    assert len(page_delay.lines(run)) == 3
    assert all(each.count("ms, so ") == 2 and "10 clients" in each for each in page_delay.lines(run))
    slower = {"websocket_browser": replace(ONE, delay_s=0.012, options=PAGE)}
    other = make_run(tmp_path / "swapped", replace(PLAN, subjects=PLAN.subjects | slower))
    swapped = page_delay.answer(open_run(other))
    assert float(swapped.partition(" by ")[2].split()[0]) > 7


def test_a_run_in_which_a_subject_has_no_counterpart_has_no_such_answer(tmp_path: Path) -> None:
    alone = {label: made for label, made in PLAN.subjects.items() if label != "long_polling"}
    run = open_run(make_run(tmp_path / "alone", replace(PLAN, subjects=alone)))
    assert page_delay.answer(run) == ""
    assert len(page_delay.lines(run)) == 3
