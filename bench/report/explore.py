"""A run, opened for exploring: its frames, its figures, its sentences and its units, behind one import.

    from bench import open_run

    run = open_run()            # the newest run here, or the reference run
    run.summary                 # a frame: one row for each transport and client count
    run.figures["age-by-clients"]
    run.units["latency_p99_ms"]

Everything that the report shows can be reached from here; `run.data` is what the report's own functions take.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bench import shipped
from bench.errors import RunError
from bench.records import trial_record
from bench.report import style
from bench.report.data import run as data
from bench.report.data.page_delay import delays
from bench.report.data.run import RunData, shown_clients
from bench.report.data.units import unit_of
from bench.report.figures import run as figures
from bench.report.figures.spec import FigureSpec
from bench.report.figures.speed import run_styles
from bench.report.pages.run import answer_text
from bench.report.text import findings, first_screen, forms, simulated
from bench.scenario.parsing import list_text

RUN = "TICKERTAPE_RUN"
"""The environment variable that names the run to open where no folder is given."""


class RunFigures(Mapping[str, Figure]):
    """The figures of a run by name, each drawn when it is asked for.

    Iterating gives the names of those that say something of this run.
    """

    def __init__(self, run: RunData) -> None:
        """Take the run whose figures are drawn."""
        self._run = run
        self._specs: dict[str, FigureSpec[RunData]] = {spec.name: spec for spec in figures.of(run)}

    def __getitem__(self, name: str) -> Figure:
        """Draw the figure `name`. Raises `RunError` for a name that no figure has."""
        return figures.drawn(self._spec(name), self._run)

    def __contains__(self, name: object) -> bool:
        """Return True if there is a figure `name`, without drawing it."""
        return name in self._specs

    def __iter__(self) -> Iterator[str]:
        """Yield the names in the order of the report."""
        return (name for name, spec in self._specs.items() if spec.worth(self._run))

    def __len__(self) -> int:
        """Return the number of figures that say something of this run."""
        return sum(1 for _ in self)

    def caption(self, name: str) -> str:
        """Return the text that says how to read the figure `name`."""
        return self._spec(name).caption_of(self._run)

    def _spec(self, name: str) -> FigureSpec[RunData]:
        if name not in self._specs:
            raise RunError(f"figures: found {name!r}, allowed are {list_text(list(self._specs))}")
        return self._specs[name]


class Run:
    """A measured or simulated run. Frames have the columns of `docs/results.md`; don't change them in place."""

    def __init__(self, run: RunData) -> None:
        """Take a run that was read from its files."""
        self.data: RunData = run
        """The run as the report's functions take it."""
        self.figures: RunFigures = RunFigures(run)
        """The figures by name, such as `figures["latency-percentiles"]`."""
        frames = (run.trials, run.summary, run.distributions, run.timelines)
        self.units: dict[str, str] = {name: unit_of(name) for frame in frames for name in frame.columns}
        """The unit of each column; empty for counts, shares and words."""

    @property
    def folder(self) -> Path:
        """Return the folder of the run."""
        return self.data.folder

    @property
    def question(self) -> str:
        """Return the question that the run's scenario asks."""
        return self.data.manifest.question

    @property
    def notice(self) -> str:
        """Return the notice that the run is simulated, with the source of its costs; empty for a measured one."""
        return simulated.notice(self.data)

    @property
    def answer(self) -> str:
        """Return the answer in a sentence, with its conditions; empty for a search for the capacity limit."""
        return answer_text(self.data)

    @property
    def sentences(self) -> list[str]:
        """Return a sentence for each measure: the best transport, and how many times as much the others have."""
        return first_screen.lines(self.data, first_screen.ranked(self.data))

    @property
    def findings(self) -> list[str]:
        """Return every comparison with the best as a sentence, with its interval and its probability."""
        return [sentence for each in findings.findings(self.data) for sentence in (each.headline, *each.rest)]

    @property
    def trials(self) -> pd.DataFrame:
        """Return `trials.csv`: one row per trial, failed ones too, in the order in which they were made."""
        return self.data.trials

    @property
    def valid(self) -> pd.DataFrame:
        """Return the trials that are in the figures: the VALID ones."""
        return self.data.valid

    @property
    def summary(self) -> pd.DataFrame:
        """Return `summary.csv`: one row per transport and client count, with 95 % intervals."""
        return self.data.summary

    @property
    def distributions(self) -> pd.DataFrame:
        """Return latencies in bins of 0.5 %: `trial, instant, bin, count`."""
        return self.data.distributions

    @property
    def timelines(self) -> pd.DataFrame:
        """Return updates due and arrived in steps of 100 ms: `trial, at_s, due, arrived`."""
        return self.data.timelines

    @property
    def closed_forms(self) -> pd.DataFrame:
        """Return the values that a closed form predicts: `transport, clients, quantity, found, predicted, off`.

        `off` is found ÷ predicted − 1, and NaN where 0 is predicted.
        """
        rows = [(each.transport, each.clients, each.figure, each.measured, each.predicted, each.off)
                for each in forms.predicted(self.data)]
        return pd.DataFrame(rows, columns=["transport", "clients", "quantity", "found", "predicted", "off"])

    @property
    def page_delays(self) -> pd.DataFrame:
        """Return what a browser's pages see beside our own clients: `transport, clients, quantity, ours, page, added`.

        In ms; `added` is the page's value less ours within blocks, with its 95 % interval (`added_low`, `added_high`).
        Empty where no transport was measured by both.
        """
        rows = [(each.pair.ours, each.clients, each.figure, each.ours.estimate, each.page.estimate,
                 each.added.estimate, each.added.low, each.added.high) for each in delays(self.data)]
        return pd.DataFrame(rows, columns=["transport", "clients", "quantity", "ours", "page", "added", "added_low",
                                           "added_high"])

    @property
    def clients(self) -> int:
        """Return the client count of the figures that show only one: the largest that all transports have."""
        return shown_clients(self.data)

    @property
    def styles(self) -> dict[str, style.Style]:
        """Return the name, colour and marker of each transport, by label."""
        return run_styles(self.data)

    def deliveries(self, trial: str | None = None) -> pd.DataFrame | None:
        """Return the raw deliveries of a trial (the first valid one by default), a row for each arrival.

        Columns: those of `deliveries.parquet`, the tick's `symbol` and `due_ns`, and `latency_ms`. Returns None
        where the run is kept without its raw tables. Raises `RunError` where the run has no such trial.
        """
        names = [str(name) for name in (self.trials if trial else self.valid)["trial"]]
        if trial is not None and trial not in names:
            raise RunError(f"{self.folder}: trial: found {trial!r}, allowed are {list_text(names)}")
        folder = self.folder / "trials" / (trial or next(iter(names), ""))
        if not (folder / "deliveries.parquet").is_file():
            return None
        rows, feed = (trial_record.read_table(folder, name).to_pandas() for name in ("deliveries", "feed"))
        joined: pd.DataFrame = rows.merge(feed[["index", "symbol", "due_ns"]], on="index")
        return joined.assign(latency_ms=(joined["app_ns"] - joined["due_ns"]) / 1e6)

    def __repr__(self) -> str:
        """Return the run's name with the number of its trials."""
        return f"<Run {self.folder.name}: {len(self.trials)} trials>"


def open_run(folder: Path | str | None = None) -> Run:
    """Open a run for exploring.

    Without a folder it is the one that the environment variable `TICKERTAPE_RUN` names, else the newest run in
    `results/` (`results/latest`), else the reference run that comes with the project. Raises `RunError` where
    the folder holds no run, or one without trials.
    """
    chosen = [folder, os.environ.get(RUN)]
    named = next((Path(each) for each in chosen if each), None)
    if named is None:
        usual = (Path("results/latest"), shipped.PROJECT / "results" / "latest")
        named = next((each for each in usual if each.exists()), shipped.path("results/reference"))
    return Run(data.open_run(named.resolve()))
