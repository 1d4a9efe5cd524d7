"""A run's folder, and the way an interrupted run is resumed.

    results/<UTC time>-<scenario>/
        manifest.json     the plan, frozen; written before the first trial
        trades.arrow      the trades of a replayed file that the trials need, read before the first trial
        trials/<trial>/       finished if it has a `trial.json`, which is written last, and by renaming
        trials/<trial>.r1/    a repetition, because the first was INVALID; .r2 because that was too
        broken/<n>-<trial>/   finished trials of blocks that were interrupted

An INVALID trial is kept and repeated at once, in its place in the block, at most `trials.repeats` times, so
that the cell stays in its block's stretch of time. An ABORTED trial is not repeated: the failure of a subject
is a result, and would mostly happen again.

Resuming needs no log besides these files. A trial is done if it has a `trial.json` and is not INVALID, or has
no repetition left; the verdict is computed again from the files. Comparisons are made within blocks, so the
trials of a block belong in one stretch of time. An interrupted block is therefore run again as a whole, and
its finished trials are moved to `broken/`, where no statistic reads them. A trial's `attempt` counts
everything that was made in its place, in `trials/` or `broken/`, from 1. A resumed run therefore ends with
trials in the same places as a run that was never interrupted.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.audit.detectors import judge
from bench.errors import RunError
from bench.experiment import plan
from bench.experiment.disk_full import FULL
from bench.feed import trade_store
from bench.feed.trade_store import Trades
from bench.measure import host
from bench.records import manifest as manifests
from bench.records.manifest import (
    CostsEntry,
    Difference,
    FileEntry,
    Manifest,
    MeasuredEntry,
    PlannedTrial,
    Resumption,
    Source,
    SubjectEntry,
)
from bench.scenario.fields import Table
from bench.scenario.model import Scenario
from bench.scenario.parsing import short
from bench.scenario.replay import Replay
from bench.shipped import PROJECT

LONGEST_PATH = 3500
"""Most bytes of the results folder's path. Linux allows 4096 for a file's path, and a run's are up to 500
longer."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The git commit of the project's working tree, and True where it has changes; None where it is no git clone."""

    commit: str | None
    dirty: bool | None

    @classmethod
    def read(cls) -> Commit:
        """Read the commit and the state of the working tree from git."""
        commit = _git("rev-parse", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no")
        return cls(commit, None if commit is None or changes is None else bool(changes))


def _git(*arguments: str) -> str | None:
    if not (PROJECT / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run on disk: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def scenario(self) -> Scenario:
        """Return the stored scenario, with the run's own copy of the trades in place of the original file."""
        stored = self.manifest.scenario
        return replaying(stored, self.folder / trade_store.NAME) if self.manifest.trades else stored

    @property
    def options(self) -> dict[str, Table]:
        """Return every subject's options, validated by its transport."""
        return plan.options_of_all(self.manifest.scenario, str(self.folder / manifests.NAME))

    @property
    def plan(self) -> list[PlannedTrial]:
        """Return all planned trials, in order."""
        return list(self.manifest.plan)

    def made(self, planned: PlannedTrial) -> list[Path]:
        """Return the folders of the attempts at a trial that are on disk, in the order in which they were
        made."""
        return [folder for folder in self._places(planned) if (folder / "trial.json").is_file()]

    def trial_folder(self, planned: PlannedTrial) -> Path:
        """Return the folder for the files of the next attempt at the trial."""
        return self._places(planned)[len(self.made(planned))]

    def is_done(self, planned: PlannedTrial) -> bool:
        """Return whether no attempt at the trial is left to be made (see the top of this module)."""
        made = self.made(planned)
        return bool(made) and not (self.may_repeat(planned) and is_invalid(made[-1]))

    def may_repeat(self, planned: PlannedTrial) -> bool:
        """Return whether the trial may be repeated if its last attempt is INVALID.

        A simulated trial may not: the repetition would be identical.
        """
        if self.manifest.simulated:
            return False
        return len(self.made(planned)) <= self.scenario.trials.repeats

    def attempt(self, planned: PlannedTrial) -> int:
        """Return the number of the next attempt at the trial, from 1."""
        broken = [
            path for path in self.folder.glob("broken/*")
            if path.name.partition("-")[2].partition(".")[0] == planned.name
        ]
        return 1 + len(broken) + len(self.made(planned))

    def _places(self, planned: PlannedTrial) -> list[Path]:
        """Return the folders for all attempts at the trial that may be made, in order, and one beyond."""
        names = [planned.name, *(f"{planned.name}.r{number}" for number in (1, 2, 3))]
        return [self.folder / "trials" / name for name in names]


def replaying(scenario: Scenario, kept: Path) -> Scenario:
    """Return the scenario with stored trades in place of the file that they came from."""
    replay = Replay(file=str(kept), speed=scenario.feed.replay.speed)
    return scenario.model_copy(update={"feed": scenario.feed.model_copy(update={"replay": replay})})


def is_invalid(folder: Path) -> bool:
    """Return whether the trial in `folder` is INVALID by the current thresholds."""
    return judge(folder)[1].status == "INVALID"


def create(results: Path, scenario: Scenario, planned: Sequence[PlannedTrial], *, name: str,
           scenario_file: Path, options: Mapping[str, Table], command: Sequence[str],
           trades: Trades | None = None, source: Source = "measured", costs: CostsEntry | None = None,
           measured: MeasuredEntry | None = None) -> RunFolder:
    """Make a run's folder with its manifest, and point `results/latest` at it.

    `trades` are the trades of a replayed file that the trials need; a simulated run has the `costs` that it is
    simulated with, and may have a `measured` run beside it. Raises `RunError` where no folder can be made
    below `results`.
    """
    now = datetime.now(UTC)
    stem, replayed = f"{now:%Y%m%dT%H%M%SZ}-{name}", feed_file(scenario, trades)
    folder = new_folder(results, stem)
    kept = None
    if trades is not None:
        trade_store.store(folder / trade_store.NAME, trades)
        kept = FileEntry(file=trade_store.NAME, sha256=_sha256(folder / trade_store.NAME))
    found = Commit.read()
    manifest = Manifest(
        run=folder.name,
        question=scenario.question,
        scenario_name=name,
        scenario_folder=str(scenario_file.resolve().parent),
        digest=scenario.digest(),
        seed=scenario.seed,
        started_at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        command=tuple(command),
        commit=found.commit,
        dirty=found.dirty,
        versions={"tickertape": host.own_version(), **host.versions()},
        host=host.describe(),
        clock_origin_ns=time.monotonic_ns(),
        subjects={
            label: SubjectEntry(transport=subject.transport, server=subject.implementation, client=subject.client,
                                options=options[label].model_dump(mode="json"),
                                external=subject.external is not None)
            for label, subject in scenario.transports.items()
        },
        feed_file=replayed,
        resumed=(),
        scenario=scenario,
        plan=tuple(planned),
        trades=kept,
        source=source,
        costs=costs,
        measured=measured,
    )
    manifests.write(folder, manifest)
    _point_latest(results, folder)
    return RunFolder(folder, manifest)


def new_folder(results: Path, stem: str) -> Path:
    """Make a new folder, with a numbered name if another run began in the same second.

    Raises `RunError` where no folder can be made, and `OSError` where the disk is full.
    """
    refuse_no_place(results)
    for suffix in ("", *(f"-{number}" for number in range(2, 100))):
        folder = results / (stem + suffix)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not results.is_dir():
                raise RunError(f"{results}: --results: found a file, allowed is a folder") from None
            continue
        except OSError as error:
            if error.errno in FULL - {errno.EROFS}:
                raise   # the caller reports how to continue
            raise RunError(f"{results}: --results: no folder can be made there: {error.strerror}") from error
        return folder
    raise RunError(f"{results / stem}: a hundred runs have this name already")


def refuse_no_place(results: Path) -> None:
    """Raise `RunError` where no run can be stored below `results`, or where `latest` there is not a link."""
    try:
        longest = len(os.fsencode(results.absolute()))
        latest = results / "latest"
        taken = latest.exists() and not latest.is_symlink()
    except OSError as error:
        raise RunError(f"{_short(results)}: --results: can't be used ({error.strerror})") from error
    if longest > LONGEST_PATH:
        raise RunError(f"{_short(results)}: --results: found a path of {longest:,} bytes, allowed are "
                       f"{LONGEST_PATH:,}: a run's files have longer ones")
    if taken:
        raise RunError(f"{latest}: found a {'folder' if latest.is_dir() else 'file'}, allowed is nothing, or "
                       "the link to the latest run: move it, or name another folder with --results")


def _short(path: Path) -> str:
    """Return a path, shortened to fit in a sentence."""
    return short(str(path))


def _point_latest(results: Path, folder: Path) -> None:
    beside = results / f".latest.{os.getpid()}"
    beside.unlink(missing_ok=True)
    beside.symlink_to(folder.name)
    beside.replace(results / "latest")


def feed_file(scenario: Scenario, trades: Trades | None = None) -> FileEntry | None:
    """Return the replayed file and its SHA-256; None if the feed is generated.

    For a pipe it is the SHA-256 of the data that came through it. Raises `RunError` where the file can't be
    read.
    """
    if scenario.feed.schedule != "replay":
        return None
    path = Path(scenario.feed.replay.file)
    if trades is not None and trades.sha256 is not None:
        return FileEntry(file=str(path), sha256=trades.sha256)
    try:
        return FileEntry(file=str(path), sha256=_sha256(path))
    except OSError as error:
        raise RunError(f"{path}: feed.replay.file can't be read: {error.strerror}") from error


def _source_now(run: RunFolder) -> FileEntry | None:
    """Return the replayed file and its SHA-256 as they are now.

    If the run stores its trades and the source no longer exists, as is always so for a pipe, return the
    values of the manifest.
    """
    stored = run.manifest.scenario
    if run.manifest.trades and not Path(stored.feed.replay.file).is_file():
        return run.manifest.feed_file
    return feed_file(stored)


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_trades(run: RunFolder) -> None:
    """Raise `RunError` where the trades that the run stores have changed since it began."""
    kept = run.manifest.trades
    if kept is None:
        return
    path = run.folder / trade_store.NAME
    try:
        found = _sha256(path)
    except OSError as error:
        raise RunError(f"{path}: can't be read: {error.strerror}; begin a new run") from error
    if found != kept.sha256:
        raise RunError(f"{path}: found another content (sha256 {found[:16]}…), allowed is that of "
                       f"{kept.sha256[:16]}…, as the run began; begin a new run")


def resume(folder: Path, scenario: Scenario | None, *, force: bool, source: Source = "measured") -> RunFolder:
    """Prepare a run to continue: refuse changes that would mix unlike trials, and clear interrupted blocks.

    `scenario` is the scenario that the user named besides the run, if any; it is compared with the run's own.
    With `force`, another commit, feed file or scenario is accepted (the run continues with its own stored
    scenario), and the manifest lists it under `resumed`. Raises `RunError` for any other difference.
    """
    run = RunFolder(folder, manifests.read(folder))
    if run.manifest.source != source:
        verb = "simulate" if run.manifest.simulated else "run"
        raise RunError(f"{folder}: found a {run.manifest.source} run; go on with `tickertape {verb} --resume "
                       f"{folder}`")
    _check_trades(run)
    differences = list(_differences(run, scenario))
    for what, found, allowed in differences:
        if not force:
            raise RunError(f"{run.folder}: {what}: found {found}, allowed is {allowed}, as the run began; "
                           "begin a new run, or go on with --force")
    resumed = Resumption(
        at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        differences=tuple(Difference(what=what, found=found) for what, found, _ in differences),
    )
    manifest = run.manifest.model_copy(update={"resumed": (*run.manifest.resumed, resumed)})
    manifests.write(folder, manifest)
    run = RunFolder(folder, manifest)
    blocks = {planned.block for planned in run.plan}
    for block in sorted(blocks):
        of_block = [planned for planned in run.plan if planned.block == block]
        done = [planned for planned in of_block if run.is_done(planned)]
        if len(done) < len(of_block):
            for planned in of_block:
                _put_aside(run, planned)
    return run


def _differences(run: RunFolder, scenario: Scenario | None) -> Iterator[tuple[str, object, object]]:
    """Yield the differences since the run began: (what, found, allowed)."""
    if scenario is not None and scenario.digest() != run.manifest.scenario.digest():
        fields = list(_changed(scenario.canonical(), run.manifest.scenario.canonical()))
        for name, found, allowed in fields or [("its fields' order", "another", "the run's own")]:
            yield f"the scenario, {name}", found, allowed
    now = Commit.read()
    was = Commit(run.manifest.commit, run.manifest.dirty)
    if now != was:
        yield "the commit", _commit_text(now), _commit_text(was)
    file_now, file_was = _source_now(run), run.manifest.feed_file
    if file_now != file_was:
        yield "the feed file's content", _file_text(file_now), _file_text(file_was)


def _changed(
    now: Mapping[str, Any], was: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the fields that differ: (dotted name, now, then); None where a table does not have the field."""
    for name in dict.fromkeys((*now, *was)):
        mine, theirs = now.get(name), was.get(name)
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            yield from _changed(mine, theirs, f"{prefix}{name}.")
        elif mine != theirs:
            yield f"{prefix}{name}", mine, theirs


def _commit_text(commit: Commit) -> str:
    return f"{commit.commit or 'none'}{' with changes' if commit.dirty else ''}"


def _file_text(file: FileEntry | None) -> str:
    return "none" if file is None else f"{file.file} (sha256 {file.sha256[:16]}…)"


def _put_aside(run: RunFolder, planned: PlannedTrial) -> None:
    """Clear a trial's place: move finished attempts to `broken/`, and delete an unfinished one."""
    unfinished = run.trial_folder(planned)
    if unfinished.exists():
        shutil.rmtree(unfinished)
    made = run.made(planned)
    number = run.attempt(planned) - len(made)
    for place, folder in enumerate(made):
        (run.folder / "broken").mkdir(exist_ok=True)
        folder.rename(run.folder / "broken" / f"{number + place}-{folder.name}")
