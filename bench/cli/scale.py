"""`simulate` of a scenario that asks for a storm or a crossover map in place of a feed.

    [storm]      ─► storm.csv      storm_timeline.csv   storm_map.csv  ─┐
    [crossover]  ─► crossover.csv  crossover_checks.csv                ─┴► report.html  report.md

Such a run has a manifest and tables, but no trials. Nothing of it is resumed, since all of it takes a
minute or two. `report` makes its report again from its files.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bench import manifest as manifests
from bench.errors import ScenarioError
from bench.experiment import journal
from bench.experiment.prepare import Question
from bench.experiment.room import told_where_full
from bench.report.tables import Table as Words
from bench.scenario import Scenario
from bench.simulation import crossing, storms
from bench.simulation.costs import CostsFile, default_costs, read_costs
from bench.simulation.run import about_costs, refuse_unless_simulable
from bench.simulation.world import Costs

STORM_CLIENTS_MOST = 1_000_000
"""Of one worker: their attempts are events of their own, and all in memory."""
PRINTED = 7
"""Columns of a table that fit on a terminal."""


def is_scale(scenario: Scenario) -> bool:
    """Whether the scenario asks for something else than a feed."""
    return scenario.storm is not None or scenario.crossover is not None


def refuse_to_measure(question: Question) -> None:
    """A storm or a map can't be run, only simulated."""
    scenario = question.scenario
    if is_scale(scenario):
        table = "storm" if scenario.storm is not None else "crossover"
        raise ScenarioError(str(question.file), table, "a table that nothing measures",
                            f"`tickertape simulate {question.file}`, or a scenario without it")


def has_scale(folder: Path) -> bool:
    """The same of a run's folder."""
    asked = manifests.read(folder)["scenario"]
    return bool(asked.get("storm") or asked.get("crossover"))


def simulate(question: Question, results: Path, as_json: bool, named: Path | None = None) -> None:
    """Simulate, write the tables and the report, and print what they say; `named` is a costs file."""
    scenario = question.scenario
    _refuse_unless_simulable(question)
    path = named or costs_file(question, results)
    costs = read_costs(path) if _needs_costs(scenario) else None
    about = {"costs": about_costs(path, costs)} if costs else {}
    with told_where_full("the same command"):
        run = journal.create(results, scenario, [], name=question.name, scenario_file=question.file,
                             options=question.options, command=sys.argv[1:],
                             further={"source": "simulated", **about})
        typer.echo(f"{run.folder}: {scenario.question}", err=True)
        if scenario.storm is not None:
            _storm(question, costs, run.folder)
        else:
            assert costs is not None, "a map is made from costs"
            _crossover(question, costs, run.folder)
    typer.echo("Making the report …", err=True)
    finish(run.folder, as_json)


def _refuse_unless_simulable(question: Question) -> None:
    """Raise `ScenarioError` for what can't be simulated so."""
    scenario, where = question.scenario, str(question.file)
    refuse_unless_simulable(scenario, question.options, where)
    if scenario.storm is None:
        return
    if scenario.crossover is not None:
        raise ScenarioError(where, "storm", "a crossover as well", "one of the two")
    counts = scenario.load.clients
    if len(counts) > 1:
        raise ScenarioError(where, "load.clients", f"{len(counts)} counts", "one: those who drop")
    each = math.ceil(counts[0] / scenario.simulation.workers)
    if each > STORM_CLIENTS_MOST:
        raise ScenarioError(where, "load.clients", f"{each:,} a worker",
                            f"at most {STORM_CLIENTS_MOST:,} a worker (simulation.workers)")


def costs_file(question: Question, results: Path) -> Path:
    """Where the costs are: the scenario's own file, this host's, or the project's."""
    named = question.scenario.simulation.costs
    return question.file.absolute().parent / named if named else default_costs(results)


def _needs_costs(scenario: Scenario) -> bool:
    """Whether anything is left to be taken from a costs file."""
    return scenario.storm is None or scenario.storm.connection_ms is None


def _storm(question: Question, costs: CostsFile | None, folder: Path) -> None:
    """Write the tables of a storm."""
    from bench.report.sheet import write_csv

    scenario = question.scenario
    label, subject = next(iter(scenario.transports.items()))
    own = costs.of(subject.transport, question.options[label]).world_costs if costs else Costs()
    with _progress("storms", storms.count(scenario)) as done:
        found = storms.run(scenario, storms.conditions(scenario, own), done)
    write_csv(folder / "storm.csv", found.storms)
    write_csv(folder / "storm_timeline.csv", found.timelines)
    if found.map is not None:
        write_csv(folder / "storm_map.csv", found.map)


def _crossover(question: Question, costs: CostsFile, folder: Path) -> None:
    """Write the tables of a map."""
    from bench.report.sheet import write_csv

    asked = crossing.Crossing.of(question.scenario, question.options, costs)
    fields = asked.fields()
    chosen = asked.chosen(fields)
    with _progress("checks by the engine", len(chosen)) as done:
        checks = asked.checks(chosen, done)
    write_csv(folder / "crossover.csv", asked.table(fields))
    write_csv(folder / "crossover_checks.csv", checks)


def finish(folder: Path, as_json: bool) -> None:
    """Make the report from the run's files, and print its first table and findings."""
    # They import matplotlib, which a command that draws nothing should not pay for.
    from bench.report import crossover, storm

    with told_where_full(f"tickertape report {folder}"):
        if manifests.read(folder)["scenario"].get("storm"):
            a_storm = storm.build(folder)
            table, sentences = storm.policies_table(a_storm.storms), storm.findings(a_storm)
        else:
            a_map = crossover.build(folder)
            table, sentences = crossover.shares_table(a_map), crossover.findings(a_map)
    if as_json:
        typer.echo(json.dumps({"run": str(folder), "report": str(folder / "report.html"),
                               table.name: _as_objects(table), "findings": sentences}))
        return
    _print(table, sentences)
    Console().print(f"Report: {folder / 'report.html'}", highlight=False, soft_wrap=True)


def _as_objects(words: Words) -> list[dict[str, str]]:
    return [dict(zip(words.columns, row, strict=True)) for row in words.rows]


def _print(words: Words, sentences: Sequence[str]) -> None:
    """A table of the report, and its findings."""
    table = Table(box=None, padding=(0, 1, 0, 0), caption=words.note, caption_justify="left")
    for name in words.columns[:PRINTED]:
        table.add_column(name, justify="left" if name == words.columns[0] else "right")
    for row in words.rows:
        table.add_row(*row[:PRINTED])
    console = Console()
    console.print(table)
    for sentence in sentences:
        console.print(f"- {sentence}", highlight=False)


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr, where that is a terminal."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)
