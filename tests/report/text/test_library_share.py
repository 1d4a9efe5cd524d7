"""The library's part of a cost: it follows from the records alone, and is exchanged with them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import Made, Plan, make_run

from bench.report import RunData, open_run
from bench.report.data.run import shown_clients
from bench.report.pages import run as pages
from bench.report.text import library_share
from bench.report.text.findings import ComparedFigure
from bench.report.text.first_screen import CPU
from bench.stats.run.summary import summarise

BARE = (("server", "bare"),)
COST = {   # µs per update: with the library, and without
    "short_polling": (40.0, 10.0), "long_polling": (60.0, 24.0), "sse": (12.0, 9.0), "websocket": (10.0, 9.9),
}

FIXED_US = 1.25
"""The servers' fixed millisecond, in µs per update of these runs."""


def made(costs: dict[str, tuple[float, float]]) -> dict[str, Made]:
    """Return two subjects for each transport, with the same noise from block to block."""
    subjects = {}
    for seed, (kind, (library, bare)) in enumerate(costs.items(), 1):
        common = Made(kind, trial_effect=0.02, noise_seed=seed)
        subjects[kind] = replace(common, cpu_us=library)
        subjects[f"{kind}_bare"] = replace(common, cpu_us=bare, options=BARE, noise_seed=seed + 50)
    return subjects


def run_of(folder: Path, costs: dict[str, tuple[float, float]], trials: int = 5) -> RunData:
    plan = Plan(subjects=made(costs), clients=(20,), trials=trials, measure_s=1.0, warmup_s=1.2, late_after_s=1.5)
    return open_run(make_run(folder, plan))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """A run of four transports, each on both servers."""
    return run_of(tmp_path_factory.mktemp("runs") / "both", COST)


def test_a_share_is_what_the_bare_server_does_without(both: RunData) -> None:
    found = library_share.shares(both, CPU)
    assert [each.pair.library for each in found] == ["short_polling", "long_polling", "sse", "websocket"]
    for each in found:
        library, bare = COST[each.pair.library]
        assert each.share.low < each.share.estimate < each.share.high
        assert each.share.estimate == pytest.approx(100 * (library - bare) / (library + FIXED_US), abs=6)
        # Paired by block: the geometric means of the blocks' ratios, not those of other trials.
        assert each.share.estimate == pytest.approx(100 * (1 - each.bare.estimate / each.library.estimate))
    assert [each.claimable for each in found] == [True, True, True, False]


def test_one_sentence_says_the_shares_and_compares_the_pushes_on_equal_servers(both: RunData) -> None:
    told = library_share.answer(both)
    assert told.startswith("Of the server CPU per update the library takes 7")
    places = [told.index(f"with {name}") for name in (
        "short polling", "long polling", "SSE", "WebSocket")]
    assert places == sorted(places)
    assert "(a tie with 0) with WebSocket; on library servers SSE has 1." in told
    assert "; on bare ones WebSocket has 1." in told
    assert re.search(r" times the server CPU per update of SSE(, a tie)?\.$", told)
    assert pages.answer_text(both).startswith(f"{told.removesuffix('.')} – with ")


def test_whoever_has_the_records_has_the_finding(both: RunData, tmp_path: Path) -> None:
    """No sentence is canned: exchange the records of two transports, and the sentences are exchanged."""
    other = {"websocket": ("sse", "sse_bare"), "sse": ("websocket", "websocket_bare")}
    labels = {kind: pair[0] for kind, pair in other.items()} | {f"{kind}_bare": pair[1] for kind, pair in other.items()}
    trials = both.trials.assign(transport=both.trials["transport"].replace(labels))
    swapped = replace(both, trials=trials, summary=summarise(trials, both.transports))
    for told, of_swapped in ((library_share.answer(both), library_share.answer(swapped)),
                             ("\n".join(library_share.lines(both)), "\n".join(library_share.lines(swapped)))):
        exchanged = told.replace("WebSocket", "@").replace("SSE", "WebSocket").replace(
            "@", "SSE")
        assert exchanged == of_swapped
        assert told != of_swapped


def test_a_library_that_costs_less_has_a_negative_part(both: RunData) -> None:
    bare = both.trials["transport"] == "sse_bare"
    worse = both.trials.assign(server_cpu_us_per_update=both.trials["server_cpu_us_per_update"].where(
        ~bare, 3 * both.trials["server_cpu_us_per_update"]))
    last = library_share.shares(replace(both, trials=worse), CPU)[-1]
    assert last.pair.library == "sse"
    assert last.share.high < 0
    assert last.claimable


def test_every_cost_that_was_measured_has_a_line(both: RunData) -> None:
    told = library_share.lines(both)
    assert [line.partition(":")[0] for line in told if line.startswith("The library")] == [
        "The library's part of server CPU per update", "The library's part of server memory per client"]
    opened = both.trials.assign(server_opening_cpu_us_per_client=both.trials["server_cpu_us_per_update"] * 5)
    told = library_share.lines(replace(both, trials=opened))
    assert told[1].startswith("The library's part of server CPU per connection opened: short polling ")
    assert " µs" in told[1]


def test_a_client_s_cpu_without_updates_is_told_where_it_was_measured(both: RunData) -> None:
    idle = both.trials.assign(server_idle_cpu_cores=both.trials["server_cpu_us_per_update"] * 20e-6)
    assert "nothing is published" not in library_share.answer(
        replace(both, trials=idle.assign(server_idle_cpu_cores=float("nan"))))
    told = library_share.answer(replace(both, trials=idle))
    found = re.search(
        r"nothing is published a client takes of the CPU: short polling ([0-9.]+) µs/s.*?bare ([0-9.]+) µs/s", told)
    assert found is not None   # 20 clients, so 1 µs/s each for 1 µs per update
    assert [float(each) for each in found.groups()] == pytest.approx([40 + FIXED_US, 10 + FIXED_US], rel=0.1)


def test_a_run_without_both_servers_of_each_transport_has_no_such_finding(run: RunData, both: RunData) -> None:
    assert library_share.answer(run) == ""
    assert library_share.lines(run) == []
    subjects = dict(list(both.scenario.transports.items())[:-1])
    scenario = both.scenario.model_copy(update={"transports": subjects})
    assert library_share.pairs_of(replace(both, manifest=both.manifest.model_copy(update={"scenario": scenario}))) == []


def test_one_block_decides_nothing(both: RunData) -> None:
    first = both.trials[both.trials["block"] == 1]
    alone = replace(both, trials=first, summary=summarise(first, both.transports))
    assert library_share.answer(alone) == ""
    assert shown_clients(alone) == 20


def test_a_figure_among_lost_updates_is_left_out(both: RunData) -> None:
    lost = both.trials.assign(latency_p50_ms=both.trials["latency_p50_ms"].where(
        both.trials["transport"] != "sse", float("inf")))
    figure = ComparedFigure("latency_p50_ms", "median latency", "median latency", "ms")
    found = library_share.shares(replace(both, trials=lost), figure)
    assert "sse" not in [each.pair.library for each in found]
