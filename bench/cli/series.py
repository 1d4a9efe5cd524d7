"""The parts of `calibrate` and `validate`: both measure a series of runs, and fit costs to it.

    scenarios, checked ─► series, locked ─► trials, block by block ─► costs, fitted
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import refuse_idle, resume_hint, say
from bench.errors import RunError
from bench.experiment import capacity_search, prepare, progress, series
from bench.experiment.disk_full import report_disk_full
from bench.experiment.machine_lock import begun, lock_resumed, machine_lock
from bench.experiment.prepare import PreparedScenario
from bench.experiment.run_folder import Commit
from bench.experiment.series import Series
from bench.measure import host
from bench.records import manifest as manifests
from bench.simulation.calibration import calibration
from bench.simulation.calibration.calibration import calibrate as fitted
from bench.simulation.calibration.costs import CostsFile, host_slug
from bench.simulation.calibration.observations import kinds_asked, observe

Resume = Annotated[Path | None, typer.Option(
    "--resume", metavar="FOLDER", help="Continue the interrupted one in this folder. A block that was "
    "interrupted is run again whole.")]
Force = Annotated[bool, typer.Option(
    "--force", help="Resume although commit or feed file differ from those that it began with.")]


def refuse_idle_options(resume: Path | None, *, force: bool, results: Path | None) -> None:
    """Raise `UserError` for --force without --resume, and for --results with it."""
    if resume is None:
        refuse_idle("without --resume", "it together with --resume", {"--force": force})
    else:
        refuse_idle("with --resume", "the folder in FOLDER, where it is", {"--results": results})


def measure(held: ExitStack, begin: Callable[[], Series], resume: Path | None, command: str, prepared: str,
             wait: bool) -> Series:
    """Make all trials of a series that are not on disk yet, and keep it locked until `held` is closed.

    `command`, followed by the series' folder, is the command that continues it after an interruption.
    """
    lock_resumed(held, resume and resume.resolve(), wait=wait, say=say)
    with machine_lock(wait=wait, say=say):
        with report_disk_full("the same command"):
            under_way = begun(held, begin, resume, say=say)
        say(f"{under_way.folder}: {prepared}")
        go_on = f"{command} {under_way.folder}"
        with report_disk_full(go_on), resume_hint(go_on):
            searches = [run for run in under_way.runs if run.scenario.capacity is not None]
            series.execute([run for run in under_way.runs if run not in searches], progress.reporter)
            for run in searches:
                capacity_search.execute(run, say)
    return under_way


def costs_of(runs: Sequence[Path], onto: CostsFile | None = None) -> tuple[CostsFile, list[str]]:
    """Return the costs fitted to measured runs, and a sentence for each transport that was left out; with `onto` those
    costs with the ones of messages added.

    Raises `RunError` where the runs are not all of one host.
    """
    observations = [each for run in runs for each in observe(run.resolve())]
    said = [manifests.read(run.resolve()) for run in runs]
    hosts = {str([each.host.get(name) for name in ("cpu_model", "cores", "machine")]) for each in said}
    if len(hosts) > 1:
        raise RunError(f"{', '.join(map(str, runs))}: host: found {len(hosts)} different ones, allowed is "
                       "one: costs are valid for one machine")
    here = host.describe()
    name = host_slug() if here["cpu_model"] == said[0].host.get("cpu_model") else "another-host"
    made = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", Commit.read().commit
    if onto is not None:
        return calibration.extended(onto, observations, name, said[0].host, *made), []
    found = fitted(observations, name, said[0].host, *made, said[0].versions)
    return found, calibration.left_out(kinds_asked([each.scenario for each in said]), observations)


def checked(asked: Sequence[PreparedScenario], results: Path) -> list[PreparedScenario]:
    """Return the scenarios; raise `HostError` for the first that this machine can't run."""
    for prepared in asked:
        prepare.refuse_unless_fits(prepared, results)
    return list(asked)
