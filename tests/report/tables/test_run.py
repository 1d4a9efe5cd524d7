"""The report's tables: every cell, every fate, every trial that does not count."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import manifests
import pandas as pd
import pytest
from synthetic import DEFAULT, Plan, make_run

from bench.records import trial_record
from bench.records.manifest import FileEntry
from bench.report import RunData, open_run, style
from bench.report.tables import run as tables
from bench.stats.run.summary import summarise


def named(run: RunData) -> dict[str, tables.TextTable]:
    return {table.name: table for table in tables.sections(run)}


def test_a_glance_has_a_row_for_each_transport(run: RunData) -> None:
    glance = tables.glance(run)
    assert [row[0] for row in glance.rows] == ["short polling", "long polling", "WebSocket"]
    assert all(len(row) == len(glance.columns) for row in glance.rows)
    assert glance.heading == "At 30 clients"


def test_a_glance_shows_the_kernels_median_and_what_a_further_client_takes(run: RunData) -> None:
    glance = tables.glance(run)
    assert glance.columns[1:5] == ("trials", "ticks", "median latency", "kernel median")
    ticks = run.summary.set_index(["transport", "clients"]).loc[("websocket", 30), "ticks"]
    assert glance.rows[2][1:3] == ("4", f"{ticks:,}")
    cells = run.summary.set_index(["transport", "clients"])
    median = float(cells.loc[("websocket", 30), "kernel_latency_p50_ms"])
    assert glance.rows[2][4].startswith(f"{style.number(median)} ms (")
    place = glance.columns.index("each further client")
    assert all(row[place].partition(" ")[2].startswith("kB (") for row in glance.rows)
    bounds = replace(run, summary=run.summary.assign(kernel_latency_is_bound=True))
    assert tables.glance(bounds).rows[2][4].startswith("≤ ")


def test_a_glance_shows_what_was_conflated_if_anything_was(run: RunData) -> None:
    assert "conflated" not in tables.glance(run).columns
    summary = run.summary.copy()
    summary.loc[(summary["transport"] == "websocket") & (summary["clients"] == 30), "conflated"] = 1
    glance = tables.glance(replace(run, summary=summary))
    assert glance.columns[-3:] == ("delivered", "conflated", "lost")
    assert [row[-2] for row in glance.rows[:2]] == ["0 %", "0 %"]
    assert glance.rows[2][-2] not in ("0 %", "–")


def test_a_replay_is_told_by_its_file(run: RunData) -> None:
    replay = {"file": "trades.csv", "speed": 20.0, "symbol": "SYMBOL"}
    manifest = manifests.changed(run.manifest, feed={"schedule": "replay", "replay": replay})
    file = FileEntry(file="/x/trades.csv", sha256="ab")
    shown = named(replace(run, manifest=manifest.model_copy(update={"feed_file": file})))
    told = dict(shown["scenario"].rows)
    assert {name: told[name] for name in told if name.startswith("feed.")} == {
        "feed.schedule": "replay", "feed.book_levels": "0", "feed.encoding": "object",
        "feed.replay.file": "/x/trades.csv", "feed.replay.sha256": "ab", "feed.replay.speed": "20.0",
        "feed.replay.start": "the file's first trade", "feed.replay.symbol": "SYMBOL", "feed.replay.sort": "false",
    }
    assert "no Poisson process (schedule: replay)" in shown["closed-forms"].note
    assert {row[2] for row in shown["closed-forms"].rows} == {"short polling"}


def test_all_rows_fit_their_columns(run: RunData, troubled: RunData) -> None:
    for each in (run, troubled):
        for table in tables.sections(each):
            assert table.rows
            assert {len(row) for row in table.rows} == {len(table.columns)}


def test_fates_add_up(run: RunData) -> None:
    for row in named(run)["fates"].rows:
        due, *fates, _duplicate = (int(cell.replace(",", "")) for cell in row[2:])
        assert due == sum(fates)


def test_what_is_in_no_figure_is_listed_with_its_reason(troubled: RunData) -> None:
    rows = named(troubled)["not-valid"].rows
    assert [row[1] for row in rows] == ["ABORTED", "ABORTED"]
    assert all("It said: boom" in row[3] and row[2] == "–" for row in rows)
    assert "22 VALID, 2 ABORTED" in tables.verdict_line(troubled)


def test_an_unfinished_run_says_so(run: RunData) -> None:
    part = replace(run, manifest=run.manifest.model_copy(update={"plan": (None,) * 30}))
    assert "24 trials of 30 planned: the run is not finished" in tables.verdict_line(part)


@pytest.mark.parametrize(("percent", "unfinished", "told"), [
    (90, False, "It continued until mean ± 90 %, which was reached after 3 blocks."),
    (0.1, True, "It was to continue until mean ± 0.1 %, which was not reached: "),
])
def test_a_run_that_went_on_until_something_held(
    run: RunData, percent: float, unfinished: bool, told: str
) -> None:
    manifest = manifests.changed(run.manifest, trials={"count": 2, "until": f"mean ± {percent} %"})
    ended = replace(run, manifest=manifest.model_copy(update={"plan": (None,) * 30}))
    line = tables.verdict_line(ended)
    assert told in line
    assert ("the run is not finished" in line) is unfinished


@pytest.mark.parametrize(("count", "due", "text"), [
    (100, 100, "100 %"), (0, 100, "0 %"), (999_999_999, 1_000_000_000, "99.999 %"), (1, 10**9, "0.001 %"),
    (250, 1000, "25.000 %"),
])
def test_a_share_is_exact_at_both_ends(count: int, due: int, text: str) -> None:
    assert tables._share(pd.Series({"delivered": count, "updates_due": due}), "delivered") == text


def test_the_scenario_is_told_in_full(run: RunData) -> None:
    told = dict(named(run)["scenario"].rows)
    assert told["feed.rate_per_s"] == "40.0"
    assert told["transports.short_polling.interval_s"] == "1.0"


def test_an_invalid_trial_stands_beside_the_one_that_replaced_it(tmp_path: Path) -> None:
    plan = Plan(subjects={"websocket": DEFAULT["websocket"]}, clients=(3,), trials=2)
    folder = make_run(tmp_path / "run", plan)
    first = trial_record.trial_folders(folder)[0]
    again = first.with_name(f"{first.name}.r1")
    shutil.copytree(first, again)
    good = trial_record.read_trial(first)
    bad = replace(good, host=good.host | {"others_share": 0.9})
    trial_record.write_trial(first, bad)
    trial_record.write_trial(again, replace(good, trial=again.name, attempt=2))
    run = open_run(folder)
    assert run.lacks is None
    assert [row[:3] for row in named(run)["not-valid"].rows] == [(first.name, "INVALID", again.name)]
    told = "3 trials: 2 VALID, 1 INVALID. Repeats of INVALID ones among them: 1."
    assert tables.verdict_line(run) == told
    assert tables.verdict_line(replace(run, trials=run.trials.iloc[:1])).startswith("1 trial: ")
    assert list(run.summary["valid_trials"]) == [2]
    trial_record.write_trial(again, replace(bad, trial=again.name, attempt=2))
    run = open_run(folder)
    assert run.lacks == "1 of 2 places has no valid trial: websocket, block 1 (host-load)"
    assert {row[2] for row in named(run)["not-valid"].rows} == {"–"}


def test_where_the_99th_percentile_is_not_known_the_highest_that_is_stands_by_name(run: RunData) -> None:
    def with_errors(label: str | None, **errors: float) -> RunData:
        trials = run.trials.copy()
        rows = trials["transport"] == label if label else trials["block"] > 0
        for name, value in errors.items():
            trials.loc[rows, f"latency_{name}_error_share"] = value
        return replace(run, trials=trials, summary=summarise(trials, run.transports))

    everywhere = tables.glance(with_errors(None, p99=0.9, p95=0.1))
    assert "p95 latency" in everywhere.columns
    assert "p99 latency" not in everywhere.columns
    # One alone lowers what is compared, and every other cell shows the same.
    one = with_errors("websocket", p99=0.9, p95=0.9, p90=0.1)
    assert "p90 latency" in tables.glance(one).columns
    none = tables.glance(with_errors("websocket", p99=0.9, p95=0.9, p90=0.9))
    assert none.rows[2][none.columns.index("p99 latency")] == "–"
    few = with_errors(None, p99=0.1)
    few.trials.loc[few.trials["clients"] == 10, "latency_p99_error_share"] = 0.9
    whole = {table.name: table for table in tables.sections(
        replace(few, summary=summarise(few.trials, run.transports)))}["cells"]
    place = whole.columns.index("p99 latency")
    assert {row[place][:3] for row in whole.rows if row[0] == "10"} <= {"p95", "p90"}
