"""`simulate` for a scenario that asks for a storm, a crossover map or a decision in place of trials.

    [storm]      ─► storm.csv  storm_timeline.csv  storm_map.csv  storm_assumptions.csv  ─┐
    [crossover]  ─► crossover.csv  crossover_checks.csv  ─────────────────────────────────┼► report.html …
    [decision]   ─► decision.csv  decision_turns.csv  decision_frontier.csv  ─────────────┘

Such a run has a manifest and tables, but no trials. Its storms and checks are simulated in parallel and
stored in its folder (`bench.simulation.checkpoints`), so that an interrupted run continues where it stopped.
`report` makes its report again from its files.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from bench.cli.options import print_json, resume_hint, say
from bench.errors import RunError, ScenarioError
from bench.experiment import prepare
from bench.experiment.disk_full import report_disk_full
from bench.experiment.prepare import PreparedScenario
from bench.experiment.progress import LeftColumn, TimeLeft
from bench.experiment.run_folder import RunFolder
from bench.output import terminal
from bench.records import manifest as manifests
from bench.scenario.model import STUDIES, Scenario
from bench.scenario.parsing import value_text
from bench.scenario.storm import Storm
from bench.simulation import baseline
from bench.simulation import run as runs
from bench.simulation.calibration.costs import CostsFile, default_costs, read_costs
from bench.simulation.checkpoints import Result, Tasks, make, missing
from bench.simulation.crossover import crossover_study
from bench.simulation.decision.decision_study import DecisionStudy
from bench.simulation.engine.inputs import Costs
from bench.simulation.storm import storm_study
from bench.stats.run import prediction

if TYPE_CHECKING:   # it imports matplotlib, see `finish`
    from bench.report.tables.run import TextTable as Words

STORM_CLIENTS_MOST = 1_000_000
"""Most clients of one worker: each of their attempts is an event of its own, and all are in memory."""
STORMS_MOST = 5_000
PRINTED = 7
"""Columns of a table that fit on a terminal."""


def begin(prepared: PreparedScenario, results: Path, named: Path | None = None, measured: Path | None = None
          ) -> RunFolder:
    """Make the run's folder; `named` is a costs file to use in place of the scenario's.

    A decision takes the memory of a client from the run in `measured`, by default the reference run.

    Raises `ScenarioError` where the scenario can't be simulated, and `RunError` where that run tells no memory.
    """
    scenario = prepared.scenario
    _refuse_unless_simulable(prepared)
    path = named or costs_file(prepared, results)
    costs = read_costs(path) if scenario.needs_costs else None
    if costs is not None and scenario.storm is not None:
        _refuse_a_free_connection(prepared, costs)
    if costs is not None and scenario.decision is not None:
        DecisionStudy.of(scenario, prepared.options, costs, where=str(prepared.file))   # may raise
    beside = baseline.measured(measured, scenario, prepared.options) if scenario.decision is not None else None
    about = None if beside is None else beside.about
    if measured is not None and about is not None and not about.memory_bytes_per_client:
        raise RunError(f"{measured}: load.clients: found no memory of a further client of a transport that is asked "
                       "for, needed are two client counts of one, whose server grew enough to tell")
    made = prepare.begin(results, prepared, [], sys.argv[1:], source="simulated",
                         costs=None if costs is None else runs.about_costs(path, costs),
                         measured=about)
    if costs is not None and scenario.storm is None:
        baseline.write_validation(made.folder, baseline.validation(results, costs))
    return made


def execute(run: RunFolder) -> None:
    """Simulate everything that is not on disk yet, and write the tables."""
    costs = None if run.manifest.costs is None else runs.costs_of(run)
    if run.scenario.storm is not None:
        _storm(run, costs)
        return
    assert costs is not None, "a map and a decision are made from costs"
    made = _crossover if run.scenario.crossover is not None else _decision
    made(run, costs)


def _refuse_unless_simulable(prepared: PreparedScenario) -> None:
    """Raise `ScenarioError` for a storm, a map or a decision that can't be simulated."""
    scenario, where = prepared.scenario, str(prepared.file)
    asked = [name for name in STUDIES if getattr(scenario, name) is not None]
    if len(asked) > 1:
        raise ScenarioError(where, asked[0], f"[{asked[1]}] as well", "one of the two")
    runs.refuse_unless_simulable(scenario, prepared.options, where)
    counts = scenario.load.clients
    if scenario.storm is None:
        if scenario.feed.schedule == "replay":
            raise ScenarioError(where, "feed.schedule", "'replay'", "a synthetic schedule, with a rate")
        if scenario.decision is not None and len(counts) > 1:
            raise ScenarioError(where, "load.clients", f"{len(counts)} counts", "one: a decision is for one situation")
        _refuse_one_way_delays(scenario, where)
        return
    if len(scenario.transports) > 1:
        raise ScenarioError(where, "transports", f"{len(scenario.transports)}: "
                            f"{', '.join(scenario.transports)}", "one: all disconnected clients reconnect by it")
    if len(counts) > 1:
        raise ScenarioError(where, "load.clients", f"{len(counts)} counts", "one: those who drop")
    _refuse_too_many_storms(scenario.storm, scenario.trials.count, where)
    each = math.ceil(counts[0] / scenario.simulation.workers)
    if each > STORM_CLIENTS_MOST:
        raise ScenarioError(where, "load.clients", f"{each:,} per worker",
                            f"at most {STORM_CLIENTS_MOST:,} per worker (simulation.workers)")


def _refuse_one_way_delays(scenario: Scenario, where: str) -> None:
    """Raise `ScenarioError` for a network that a decision would take no notice of."""
    if scenario.decision is not None and scenario.simulation.up_ms is not None:
        raise ScenarioError(where, "simulation.up_ms", value_text(scenario.simulation.up_ms),
                            "none: a decision takes half of simulation.rtt_ms each way")


def _refuse_too_many_storms(storm: Storm, count: int, where: str) -> None:
    """Raise `ScenarioError` where more than `STORMS_MOST` storms are asked for, which would take too long."""
    halvings = math.ceil(math.log2(len(storm_study.REFUSAL_SHARES) + 1))
    storms_asked = len(storm.policies) * (2 * count + halvings)
    if storm.map is not None:
        storms_asked += len(storm.map.backlogs) * len(storm.map.windows) * storm.map.seeds
    if storms_asked > STORMS_MOST:
        raise ScenarioError(where, "trials.count", f"{count:,}, that is {storms_asked:,} storms",
                            f"at most {STORMS_MOST:,} storms, with those of storm.map")


def _refuse_a_free_connection(prepared: PreparedScenario, costs: CostsFile) -> None:
    """Raise `ScenarioError` where the costs file has no cost of a new connection: the cost is not really
    0."""
    label, subject = next(iter(prepared.scenario.transports.items()))
    known = costs.of(subject.transport, prepared.options[label], subject.implementation)
    if known.costs["connection_s"].value == 0:
        raise ScenarioError(
            str(prepared.file), "storm.connection_ms", "none", "a time in ms: the costs of "
            f"{costs.host_name} do not include a new connection of {known.kind}")


def costs_file(prepared: PreparedScenario, results: Path) -> Path:
    """Return the path of the costs file: the scenario's own, this host's, or the project's."""
    named = prepared.scenario.simulation.costs
    return prepared.file.absolute().parent / named if named else default_costs(results)


def _storm(run: RunFolder, costs: CostsFile | None) -> None:
    """Write the tables of a storm."""
    from bench.report.data.table_files import write_tables

    scenario = run.scenario
    label, subject = next(iter(scenario.transports.items()))
    own = Costs()
    if costs:
        own = costs.of(subject.transport, run.options[label], subject.implementation).engine_costs
    given = storm_study.conditions(scenario, own)
    found = storm_study.tables(scenario, given, _results(run, "storms", storm_study.tasks(scenario, given)))
    mapped = {} if found.map is None else {"storm_map.csv": found.map}
    write_tables(run.folder, {"storm.csv": found.storms, "storm_timeline.csv": found.timelines, **mapped,
                              "storm_assumptions.csv": found.assumptions})


def _crossover(run: RunFolder, costs: CostsFile) -> None:
    """Write the tables of a map."""
    from bench.report.data.table_files import write_tables

    asked = crossover_study.CrossoverStudy.of(run.scenario, run.options, costs, _checked(run))
    fields = asked.fields()
    checks = _results(run, "checks by the engine", asked.tasks(asked.chosen(fields)))
    write_tables(run.folder, {"crossover.csv": asked.table(fields),
                              "crossover_checks.csv": asked.checks(checks)})


def _decision(run: RunFolder, costs: CostsFile) -> None:
    """Write the tables of a decision."""
    from bench.report.data.table_files import write_tables

    beside = run.manifest.measured
    asked = DecisionStudy.of(run.scenario, run.options, costs, _checked(run), str(run.folder / manifests.NAME),
                             {} if beside is None else beside.memory_bytes_per_client)
    choice, truths = asked.choice()
    # In this process: helpers would take longer to start than all of it takes.
    results = _results(run, "workers, turns, frontier", asked.tasks(choice) | asked.table_tasks(truths), processes=1)
    write_tables(run.folder, {
        "decision.csv": asked.table(choice, truths, results), "decision_turns.csv": asked.turns(results),
        "decision_frontier.csv": asked.frontier(results)})


def _checked(run: RunFolder) -> Sequence[prediction.ValidationRow]:
    """Return the rows of the validation that was copied into the run's folder; none where there is none."""
    from bench.report.data.run import optional_table

    known = optional_table(run.folder / "validation.csv", prediction.REQUIRED)
    return () if known is None else prediction.from_table(known)


def _results(run: RunFolder, what: str, tasks: Tasks, processes: int | None = None) -> dict[str, Result]:
    """Return the results of all tasks by name; show a bar on stderr if that is a terminal."""
    left, began_s = LeftColumn(), time.monotonic()
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), left)
    console = terminal.console(stderr=True)
    done = len(tasks) - len(missing(run.folder, tasks))
    time_left = TimeLeft([1.0] * (len(tasks) - done))   # all equally long; the length is measured
    last_s = began_s

    def ends() -> None:
        nonlocal last_s
        now_s = time.monotonic()
        time_left.passed(now_s - last_s)
        time_left.begins(now_s)
        last_s = now_s
        left.left_s = lambda: time_left.at(time.monotonic())
        progress.advance(task)

    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=len(tasks), completed=done)
        return make(run.folder, tasks, ends, processes)


def finish(folder: Path, as_json: bool) -> None:
    """Make the report from the run's files, and print its first table and findings; those of a decision first."""
    # The pages import matplotlib, which a command that draws nothing should not load.
    again = f"tickertape report {folder}"
    with report_disk_full(again), resume_hint(again):
        kind = manifests.read(folder).scenario.study
        if kind == "decision":
            _finish_decision(folder, as_json)
            return
        if kind == "storm":
            from bench.report.pages import storm

            a_storm = storm.build(folder)
            table = storm.policies_table(a_storm.storms, a_storm.assumptions)
            sentences = storm.findings(a_storm)
        else:
            from bench.report.pages import crossover

            a_map = crossover.build(folder)
            table, sentences = crossover.shares_table(a_map), crossover.findings(a_map)
    if as_json:
        _print_json(folder, sentences, table)
        return
    _print(table, sentences)
    _print_place(folder)


def _finish_decision(folder: Path, as_json: bool) -> None:
    """Print a decision, then make its page, which takes longer than the answer should."""
    from bench.report.pages import decision

    run = decision.open_decision(folder)
    table, unmeasured = decision.options_table(run), decision.unmeasured_table()
    answer, *turns = decision.findings(run)
    if not as_json:
        console = terminal.console(markup=False)
        console.print(answer, highlight=False)
        console.print(_across(table))
        for heading, lines in (("What would change the answer", turns), (unmeasured.heading, [
                f"{what}: {text} ({source})" for what, text, source in unmeasured.rows])):
            console.print(f"{heading}:" if lines else "", highlight=False)
            for line in lines:
                console.print(f"- {line}", highlight=False)
        say("Making the page …")
    decision.build(folder)
    if as_json:
        _print_json(folder, [answer, *turns], table, unmeasured)
    else:
        _print_place(folder)


def _across(words: Words) -> Table:
    """Return a table with a column for each row of `words`: as wide as a terminal, however many values a row has."""
    table = Table(box=None, padding=(0, 1, 0, 0), caption=words.note, caption_justify="left")
    table.add_column("", no_wrap=True)
    for row in words.rows:
        table.add_column(row[0], justify="right")
    for place, name in enumerate(words.columns[1:], 1):
        table.add_row(name, *(row[place] for row in words.rows))
    return table


def _print_json(folder: Path, sentences: Sequence[str], *tables: Words) -> None:
    print_json({"run": str(folder), "report": str(folder / "report.html"),
                **{table.name: _as_objects(table) for table in tables}, "findings": list(sentences)})


def _print_place(folder: Path) -> None:
    terminal.console(markup=False).print(f"Report: {folder / 'report.html'}", highlight=False, soft_wrap=True)


def _as_objects(words: Words) -> list[dict[str, str]]:
    names = [name or "name" for name in words.columns]   # the rows' own names have no heading
    return [dict(zip(names, row, strict=True)) for row in words.rows]


def _print(words: Words, sentences: Sequence[str]) -> None:
    """Print a table of the report and its findings."""
    table = Table(box=None, padding=(0, 1, 0, 0), caption=words.note, caption_justify="left")
    for name in words.columns[:PRINTED]:
        table.add_column(name, justify="left" if name == words.columns[0] else "right")
    for row in words.rows:
        table.add_row(*row[:PRINTED])
    console = terminal.console(markup=False)
    console.print(table)
    for sentence in sentences:
        console.print(f"- {sentence}", highlight=False)
