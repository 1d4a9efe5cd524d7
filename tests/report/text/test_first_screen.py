"""The answer: it follows from the records alone, names no winner within a tie, and is exchanged with them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from synthetic import Made, Plan, make_run

from bench.report import RunData, open_run, style
from bench.report.text import first_screen
from bench.report.text.findings import findings
from bench.report.text.first_screen import RankedMeasure, answer, lines, ranked
from bench.stats.run.summary import summarise


def exchanged(text: str) -> str:
    """Return the text with two transports' names exchanged."""
    return text.replace("WebSocket", "@").replace("long polling", "WebSocket").replace("@", "long polling")


def measures(run: RunData) -> dict[str, RankedMeasure]:
    return {each.heading: each for each in ranked(run)}


def test_the_best_is_the_lowest_and_what_cannot_be_told_apart_from_it(run: RunData) -> None:
    found = measures(run)
    assert list(found) == ["median latency", "p99 latency", "excess age", "bytes per update", "server CPU",
                           "memory per client"]
    cells = run.summary[run.summary["clients"] == 30].set_index("transport")
    for each in found.values():
        if each.heading != "bytes per update":
            estimates = {label: cells.at[label, each.question.column] for label in each.figures}
            assert each.best[0] == min(estimates, key=lambda label: estimates[label])
    whole = cells["bytes_down_per_update"] + cells["bytes_up_per_update"]
    assert found["bytes per update"].figures["long_polling"].estimate == pytest.approx(whole["long_polling"])


def test_whoever_has_the_records_has_the_answer(run: RunData, swapped: RunData) -> None:
    """No sentence is canned: exchange the records of two transports, and the sentences are exchanged."""
    for told, of_swapped in ((answer(ranked(run)), answer(ranked(swapped))),
                             ("\n".join(lines(run, ranked(run))), "\n".join(lines(swapped, ranked(swapped))))):
        assert "WebSocket" in told
        assert exchanged(told) == of_swapped
        assert told != of_swapped


def test_an_answer_says_what_to_take_for_freshness_and_for_cost(run: RunData) -> None:
    told = answer(ranked(run))
    assert told.startswith("For freshness take WebSocket (median latency ")
    assert "; for cost " in told
    assert told.count(".") - told.count(" ms") <= 12
    assert told.endswith("long polling is the best in none of the 6 measures.")


def test_what_beats_all_others_is_the_answer(run: RunData) -> None:
    pushed = run.trials["transport"] == "websocket"
    cheap = run.trials.assign(**{name: run.trials[name].where(~pushed, run.trials[name] / 50) for name in (
        "bytes_down_per_update", "bytes_up_per_update", "server_cpu_us_per_update",
        "server_rss_bytes_per_client")})
    best = replace(run, trials=cheap, summary=summarise(cheap, run.transports))
    assert answer(ranked(best)).startswith("Take WebSocket, which nothing beats: median latency ")


def test_no_winner_is_named_within_a_tie(troubled: RunData) -> None:
    found = measures(troubled)
    tied = {heading: each for heading, each in found.items() if len(each.best) > 1}
    assert "median latency" in tied
    told = {line.partition(":")[0].lower(): line for line in lines(troubled, ranked(troubled))}
    for heading, each in tied.items():
        assert not any(each.pairs[frozenset((each.best[0], other))].effect.separable for other in each.best[1:])
        assert " tie" in told[heading.lower()]
    assert told["updates lost"].startswith("Updates lost: lossy ")


@pytest.mark.parametrize("label", ["short_polling", "long_polling", "websocket"])
def test_a_transport_without_a_figure_leaves_the_order_of_the_others(run: RunData, label: str) -> None:
    """Where one has no figure of a measure, the others are still ranked by their own."""
    for heading in ("median latency", "server CPU"):
        before = measures(run)[heading]
        others = [each for each in before.figures if each != label]
        column = before.question.column
        trials = run.trials.assign(**{column: run.trials[column].where(run.trials["transport"] != label)})
        without = replace(run, trials=trials, summary=summarise(trials, run.transports))
        found = measures(without)[heading]
        assert list(found.figures) == others
        assert found.best[0] == others[0]
        told = next(each for each in lines(without, ranked(without)) if each.startswith(f"{style.sentence(heading)}: "))
        assert told.endswith(f"; no value for {style.title(label)}.")


@pytest.mark.parametrize("label", ["short_polling", "long_polling", "websocket"])
def test_none_is_the_best_in_a_percentile_that_is_not_known_of_all(run: RunData, label: str) -> None:
    """The one that is not known may be the lowest, so neither the answer nor a finding says that another one is."""
    columns = ["latency_p90_ms", "latency_p95_ms", "latency_p99_ms"]
    lost = {name: run.summary[name].where(run.summary["transport"] != label) for name in columns}
    trials = {name: run.trials[name].where(run.trials["transport"] != label) for name in columns}
    without = replace(run, trials=run.trials.assign(**trials), summary=run.summary.assign(**lost))
    found = measures(without)["p99 latency"]
    assert set(found.figures) == set(run.transports) - {label}
    assert found.best == ()
    assert "p99" not in answer(ranked(without))
    told = next(each for each in lines(without, ranked(without)) if each.startswith("P99 latency: "))
    assert told.startswith("P99 latency: not decided (")
    assert told.endswith(f"; not known well enough for {style.title(label)}).")
    lead = next(each.lead for each in findings(without) if each.question.column == "latency_p99_ms")
    assert lead.endswith(f"; not known well enough for {style.title(label)}, which may have a lower one.")


def test_none_is_the_best_against_the_blocks_that_both_have(run: RunData) -> None:
    """WebSocket lacks a slow block, and has the lower median over all; in each block of both long polling has."""
    trials = run.trials.copy()
    for label, medians in (("websocket", (1.0, 1.01, 0.99, 1.0)), ("long_polling", (0.9, 0.91, 0.89, 6.0))):
        for block, median in enumerate(medians, start=1):
            rows = (trials["transport"] == label) & (trials["block"] == block)
            trials.loc[rows, "latency_p50_ms"] = median
    trials.loc[(trials["transport"] == "websocket") & (trials["block"] == 4), "verdict"] = "INVALID"
    without = replace(run, trials=trials, summary=summarise(trials, run.transports))
    found = measures(without)["median latency"]
    assert next(iter(found.figures)) == "websocket"
    assert found.best == ("websocket", "long_polling")
    first = findings(without)[0]
    assert first.lead.startswith("Lowest median latency: undecided; WebSocket and long polling cannot be separated")
    long = next(each for each in first.rest if each.startswith("long polling has 0.9"))
    assert "in the blocks that both have, but the other way round than over all blocks: a tie." in long


def test_a_percentile_among_lost_updates_is_never_the_best(troubled: RunData) -> None:
    lost = [each for each in ranked(troubled) if math.isinf(each.figures["lossy"].estimate)]
    assert lost
    for each in lost:
        assert "lossy" not in each.best
        assert list(each.figures)[-1] == "lossy"


def test_too_few_blocks_decide_nothing(run: RunData) -> None:
    first = run.trials[run.trials["block"] == 1]
    alone = replace(run, trials=first, summary=summarise(first, run.transports))
    assert answer(ranked(alone)).startswith("No transport can be chosen yet: too few valid blocks")
    assert all(": not decided (" in line for line in lines(alone, ranked(alone)))


def test_one_transport_is_no_choice(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = make_run(tmp_path_factory.mktemp("runs") / "one", Plan(
        trials=2, clients=(10,), subjects={"websocket": Made()}))
    told = answer(ranked(open_run(made)))
    assert told.startswith("Only WebSocket has values, so there is nothing to choose: median latency ")
    assert answer([]) == "Nothing can be answered: no valid trial has a value."


def test_of_many_transports_the_first_are_named() -> None:
    assert first_screen._named(["a", "b", "c"]) == "a, b and c"
    assert first_screen._named(["a", "b", "c", "d", "e"]) == "a, b and 3 others"
