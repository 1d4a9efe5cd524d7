"""The sentence on what an option saves: told of each transport against its own base, and only where all have one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.report import RunData
from bench.report.pages.run import answer_text
from bench.report.text.option_effects import answer, lines, variants

BROWSER, BARE = {"headers": "browser"}, {"headers": "bare"}
DEFLATE: dict[str, Any] = {"compression": "permessage-deflate", "context_takeover": False}
COLUMNS = ("bytes_down_per_update", "bytes_up_per_update", "server_cpu_us_per_update", "server_rss_bytes_per_client")


def posed(run: RunData, transports: dict[str, str], options: dict[str, dict[str, Any]]) -> RunData:
    """Return the run with its subjects on these transports, with these options alone."""
    subjects = {label: each.model_copy(update={"transport": transports[label], "options": options[label]})
                for label, each in run.manifest.subjects.items()}
    return replace(run, manifest=run.manifest.model_copy(update={"subjects": subjects}))


def scaled(run: RunData, scales: dict[str, float]) -> RunData:
    """Return the run in which each subject costs WebSocket's times its scale, in every block."""
    trials = run.trials.copy()
    base = trials[trials["transport"] == "websocket"].set_index(["block", "clients"])
    for label, scale in scales.items():
        mine = trials["transport"] == label
        place = trials.loc[mine].set_index(["block", "clients"]).index
        for column in COLUMNS:
            trials.loc[mine, column] = scale * base.loc[place, column].to_numpy()
    return replace(run, trials=trials)


def test_each_variant_is_compared_with_the_first_subject_of_its_transport(run: RunData) -> None:
    asked = posed(run, dict.fromkeys(run.transports, "websocket"), {
        "short_polling": {**DEFLATE, "compression": "none"}, "long_polling": DEFLATE,
        "websocket": {**DEFLATE, "context_takeover": True}})
    told = answer(scaled(asked, {"short_polling": 2.0, "long_polling": 3.0}))
    assert told.startswith("With permessage-deflate compression in place of no compression, bytes per update: "
                           "short polling +50.0\u202f% (")
    assert ("; with permessage-deflate compression and context takeover in place of no compression, "
            "bytes per update: short polling −50.0\u202f% (") in told
    assert told.count("server CPU per update: ") == 2
    memory = lines(scaled(asked, {"short_polling": 2.0, "long_polling": 3.0}))
    assert [line.partition("server memory per client: ")[2][:21] for line in memory] == [
        "short polling +50.0\u202f%", "short polling −50.0\u202f%"]


def test_what_a_run_answers_is_its_finding(run: RunData) -> None:
    asked = scaled(posed(run, dict.fromkeys(run.transports, "sse"), {
        "short_polling": BROWSER, "long_polling": BARE, "websocket": {"headers": "heavy"}}),
        {"short_polling": 1.0, "long_polling": 0.4})
    told = answer_text(asked)
    assert told.startswith("With bare headers in place of browser headers, bytes per update: short polling −60.0")
    heavy = told.partition("; with heavy headers in place of browser headers, bytes per update: ")[2]
    assert heavy.startswith("short polling +0.0\u202f%")
    assert heavy.partition("; ")[0].endswith(" (a tie)")


@pytest.mark.parametrize("options", [
    {"short_polling": BROWSER, "long_polling": BROWSER, "websocket": BARE},
    {"short_polling": {"interval_s": 1.0}, "long_polling": {"interval_s": 0.5}, "websocket": {"interval_s": 2.0}},
    {"short_polling": BROWSER | {"pace": "rate"}, "long_polling": BARE | {"pace": "rate"},
     "websocket": BROWSER | {"pace": "delay"}},
], ids=["two that are alike", "a number", "different options"])
def test_other_runs_have_no_such_finding(run: RunData, options: dict[str, dict[str, Any]]) -> None:
    asked = posed(run, dict.fromkeys(run.transports, "sse"), options)
    assert variants(asked) == []
    assert (answer(asked), lines(asked)) == ("", [])


def test_a_transport_without_variants_has_none(run: RunData) -> None:
    asked = posed(run, {"short_polling": "sse", "long_polling": "websocket", "websocket": "websocket"},
                  {"short_polling": BROWSER, "long_polling": BROWSER, "websocket": BARE})
    assert variants(asked) == []
    assert variants(run) == []
