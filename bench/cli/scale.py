"""`simulate` of a scenario that asks for a storm or a crossover map in place of a feed.

    [storm]      ─► storm.csv      storm_timeline.csv   storm_map.csv  ─┐
    [crossover]  ─► crossover.csv  crossover_checks.csv                ─┴► report.html  report.md

Such a run has a manifest and tables, but no trials: nothing of it is resumed, since all of it takes a
minute or two. `report` makes its report again from its files.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bench import manifest as manifests
from bench.errors import RunError
from bench.experiment import journal
from bench.experiment.prepare import Question
from bench.experiment.room import told_where_full
from bench.records import write_json
from bench.report.tables import Table as Words
from bench.scenario import Scenario
from bench.simulation import storms
from bench.simulation.costs import CostsFile, default_costs, read_costs
from bench.simulation.world import Costs

PRINTED = 5
"""Columns of a table that fit on a terminal."""


def is_scale(scenario: Scenario) -> bool:
    """Whether the scenario asks for something else than a feed."""
    return scenario.storm is not None or scenario.crossover is not None


def has_scale(folder: Path) -> bool:
    """The same of a run's folder."""
    asked = manifests.read(folder)["scenario"]
    return bool(asked.get("storm") or asked.get("crossover"))


def simulate(question: Question, results: Path, as_json: bool) -> None:
    """Simulate, write the tables and the report, and print what they say."""
    scenario = question.scenario
    costs = read_costs(costs_file(question, results)) if _needs_costs(scenario) else None
    with told_where_full("the same command"):
        run = journal.create(results, scenario, [], name=question.name, scenario_file=question.file,
                             options=question.options, command=sys.argv[1:])
        told = costs.told if costs else ""
        write_json(run.folder / "manifest.json", {**run.manifest, "costs": told})
        typer.echo(f"{run.folder}: {scenario.question}", err=True)
        if scenario.storm is not None:
            _storm(question, costs, run.folder)
    typer.echo("Making the report …", err=True)
    finish(run.folder, as_json)


def costs_file(question: Question, results: Path) -> Path:
    """Where the costs are: the scenario's own file, this host's, or the project's."""
    named = question.scenario.simulation.costs
    return question.file.absolute().parent / named if named else default_costs(results)


def _needs_costs(scenario: Scenario) -> bool:
    """Whether anything is left to be taken from a costs file."""
    return scenario.crossover is not None or scenario.storm is None or scenario.storm.connection_ms is None


def _storm(question: Question, costs: CostsFile | None, folder: Path) -> None:
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


def finish(folder: Path, as_json: bool) -> None:
    """Make the report from the run's files, and print its first table and findings."""
    # They import matplotlib, which a command that draws nothing should not pay for.
    from bench.report import storm

    asked = manifests.read(folder)["scenario"]
    if not asked.get("storm"):
        raise RunError(f"{folder}: manifest.json: found no storm, and no crossover")
    with told_where_full(f"tickertape report {folder}"):
        run = storm.build(folder)
    table, sentences = storm.policies_table(run.storms), storm.findings(run)
    if as_json:
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        typer.echo(json.dumps({"run": str(folder), "report": str(folder / "report.html"),
                               table.name: rows, "findings": sentences}))
        return
    console = Console()
    console.print(_printed(table))
    for sentence in sentences:
        console.print(f"- {sentence}", highlight=False)
    console.print(f"Report: {folder / 'report.html'}", highlight=False, soft_wrap=True)


def _printed(words: Words) -> Table:
    """A table of the report on the terminal."""
    table = Table(box=None, padding=(0, 1, 0, 0), caption=words.note, caption_justify="left")
    for name in words.columns[:PRINTED]:
        table.add_column(name, justify="left" if name == words.columns[0] else "right")
    for row in words.rows:
        table.add_row(*row[:PRINTED])
    return table


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr, where that is a terminal."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)
