"""The verb `run`: a scenario measured, judged and reported.

    SCENARIO ─► requirements ─► plan, frozen ─► trials ─► report      exit 0: every trial valid in the end, 1: some
                                                                     are not, 2: a mistake, 3: a threshold is
                                                                     broken, 130: interrupted
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bench.cli.options import (
    RESULTS,
    AsJson,
    ColumnNames,
    FeedFile,
    MaybeScenario,
    Overrides,
    Require,
    Results,
    Wait,
    as_field,
    end,
    of_a_file,
    print_json,
    refuse_idle,
    reported,
    reported_errors,
    resume_hint,
    say,
)
from bench.errors import RunError
from bench.experiment import capacity_search, plan, prepare, progress, requirements, run_folder
from bench.experiment import run as runs
from bench.experiment.disk_full import report_disk_full
from bench.experiment.effect import refuse_without_effect, typed_fields
from bench.experiment.machine_lock import begun, lock_resumed, machine_lock
from bench.experiment.prepare import PreparedScenario
from bench.experiment.run_folder import RunFolder
from bench.output import terminal
from bench.records import manifest


def run(
    scenario: MaybeScenario = None,
    feed: FeedFile = None,
    columns: ColumnNames = None,
    overrides: Overrides = None,
    require: Require = None,
    only_plan: Annotated[bool, typer.Option(
        "--plan", help="Print cells, time, disk, memory, files and ports that it needs; don't run.")] = False,
    resume: Annotated[Path | None, typer.Option(
        "--resume", metavar="RUN", help="Continue the interrupted run in this folder. A block that was "
        "interrupted is run again whole; its finished trials are moved to broken/.")] = None,
    force: Annotated[bool, typer.Option(
        "--force", help="Resume although commit, scenario or feed file differ from the run's own.")] = False,
    wait: Wait = False,
    as_json: AsJson = False,
    results: Results = None,
) -> None:
    """Measure a scenario and write its report.

    Each trial runs in fresh processes and is on disk before the next begins. Ctrl-C ends all processes;
    `--resume` continues the run later.

    Examples:

        tickertape run quick
        tickertape run default --feed trades.csv --set trials.count=10
        tickertape run quick --require "websocket.latency_p99_ms <= 50" --require "lost == 0"
        tickertape run my/scenario.toml --plan
        tickertape run --resume results/latest

    Exit status: 0 every trial is valid, after repetition if necessary; 1 some are not, or the disk filled; 2
    a mistake; 3 a threshold is broken; 130 interrupted.
    """
    if only_plan and resume is not None:
        raise typer.BadParameter("--plan describes a new run and can't be combined with --resume")
    with reported_errors():
        if only_plan:
            refuse_idle("with --plan", "it without --plan", {"--wait": wait, "--force": force})
        if resume is None:
            refuse_idle("with a new run", "it together with --resume", {"--force": force})
            prepared = _asked("default" if scenario is None else scenario, overrides or (), feed, columns, require)
            needed = prepare.refuse_unless_fits(prepared, results or RESULTS)
            if only_plan:
                _print_plan(prepared, needed, requirements.Resources.read(results or RESULTS), as_json)
                return
            begin = partial(_begin, prepared, results or RESULTS)
        else:
            refuse_idle("with --resume", "the folder in RUN, where the run is", {"--results": results})
            named = _named_beside(resume, scenario, overrides or (), feed, columns, require or ())
            begin = partial(_resume, resume, named, force=force)
        with ExitStack() as held:
            lock_resumed(held, resume and resume.resolve(), wait=wait, say=say)
            with machine_lock(wait=wait, say=say):
                with report_disk_full("the same command"):
                    under_way = begun(held, begin, resume, say=say)
                with report_disk_full(f"tickertape run --resume {under_way.folder}"):
                    _execute(under_way)
            ending = reported(under_way.folder, as_json)
    end(*ending)


def _asked(name: str, overrides: Sequence[str], feed: Path | None, columns: str | None,
           require: Sequence[str] | None) -> PreparedScenario:
    """Return the scenario to be measured, with the typed settings applied and its file of trades read."""
    prepared = prepare.read(name, [*as_field(columns), *overrides], feed, require or ())
    prepare.refuse_to_measure(prepared)
    refuse_without_effect([prepared], typed_fields(of_a_file(feed, columns), overrides), "run")
    return prepare.with_trades(prepared)


def _begin(prepared: PreparedScenario, results: Path) -> RunFolder:
    """Make a new run's folder."""
    return prepare.begin(results, prepared, plan.trials(prepared.scenario), sys.argv[1:])


def _named_beside(resume: Path, scenario: str | None, overrides: Sequence[str], feed: Path | None,
                  columns: str | None, require: Sequence[str]) -> Callable[[], PreparedScenario] | None:
    """Return a function that reads the scenario named with `--resume`; None if none is named.

    Raises `RunError` where settings are given without a scenario.
    """
    if scenario is not None:
        return partial(prepare.read, scenario, [*as_field(columns), *overrides], feed, require)
    if overrides or feed or columns or require:
        raise RunError(f"{resume}: --resume goes on with the run's own scenario; --set, --feed, --columns "
                       "and --require go with it only where a SCENARIO is named too, which is compared with the run's")
    return None


def _resume(folder: Path, named: Callable[[], PreparedScenario] | None, *, force: bool) -> RunFolder:
    """Prepare the run in a folder to continue; a scenario that is named is compared with the run's own."""
    under_way = run_folder.resume(folder.resolve(), named().scenario if named else None, force=force)
    prepare.refuse_unless_startable(under_way.scenario, Path(under_way.manifest.scenario_folder),
                                    str(under_way.folder / manifest.NAME))
    return under_way


def _execute(under_way: RunFolder) -> None:
    """Make the trials; if interrupted, report how to continue."""
    say(f"{under_way.folder}: {under_way.manifest.question}")
    with resume_hint(f"tickertape run --resume {under_way.folder}"):
        if under_way.scenario.capacity is None:
            runs.execute(under_way, progress.reporter)
        else:
            capacity_search.execute(under_way, say)


def _print_plan(prepared: PreparedScenario, needed: requirements.Requirements, means: requirements.Resources,
               as_json: bool) -> None:
    """Print the blocks and the resources that they need, as tables or as JSON."""
    planned = plan.trials(prepared.scenario)
    blocks = {block: [(each.subject, each.clients) for each in planned if each.block == block]
              for block in sorted({each.block for each in planned})}
    scenario = prepared.scenario
    ends = None
    if scenario.trials.rule:
        ends = (f"After block {scenario.trials.count} the run ends as soon as {scenario.trials.rule}, at the "
                f"latest after block {scenario.trials.blocks}.")
    if as_json:
        print_json({
            "question": scenario.question, "scenario": str(prepared.file),
            "blocks": [[{"transport": label, "clients": clients} for label, clients in cells]
                       for cells in blocks.values()],
            "sweep": {name: list(values) for name, values in scenario.sweep.items()},
            "search": None if scenario.capacity is None else scenario.capacity.model_dump(mode="json"),
            "thresholds": list(scenario.thresholds.require),
            "trades": None if prepared.trades is None else {
                "of_the_file": prepared.trades.rows, "of_a_trial": len(prepared.trades.price)},
            "ends": ends, "needs": asdict(needed), "here": asdict(means)})
        return
    table = Table("block", "cells, in the order of the run", title=scenario.question)
    for block, cells in blocks.items():
        table.add_row(str(block), ", ".join(f"{label} {clients}" for label, clients in cells))
    for name, values in scenario.sweep.items():
        table.add_row("sweep", f"{name} = {', '.join(map(str, values))}")
    if scenario.thresholds.require:
        table.add_row("thresholds", "; ".join(scenario.thresholds.require))
    search = scenario.capacity
    if search is not None:
        what, names = capacity_search.raised_text(search), ", ".join(scenario.transports)
        table.add_row("search", f"{search.start:,} to {search.most:,} {what} of each of {names}, until "
                      f"{search.objective} breaks; for {requirements.duration_text(search.time_s)} at most. The "
                      "requirements are those of one step at the highest level.")
    rows = Table("", "needed", "here")
    for row in requirements.table(needed, means):
        rows.add_row(*row)
    console = terminal.console(markup=False)
    console.print(table)
    if ends:
        console.print(ends, highlight=False)
    console.print(rows)
    if prepared.trades is not None:
        kept = f"{prepared.trades.rows:,} trades, of which a trial needs {len(prepared.trades.price):,}"
        console.print(f"The file has {kept}; it is read once.", highlight=False)
