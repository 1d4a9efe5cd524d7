"""Tickertape compares ways of delivering live data to clients by their cost and their latency.

`from bench import open_run` opens a run for exploring: its frames, figures and units (`bench.report.explore`).

Modules, in reading order:

    cli         the command line, one file per verb
    scenario    one question as data: TOML to a frozen, validated scenario
    output      text from files, made harmless for the place where it is shown
    records     the files of a run: the contract between measuring, simulating and judging
    wire        the contract between clients and servers, and its size on the wire
    feed        the stock ticker: ticks, schedule, publisher, and the tape (the ticks a server still holds)
    uplink      messages that clients send, and the process that makes them ticks
    serving     the chassis that every server shares
    transports  one folder per transport: protocol, server, client, model
    measure     kernel counters of processes, connections and the machine
    load        the load generator
    browser     a headless Chromium, and its control
    experiment  a run: its plan, its trials, its folder
    stats       records to values: per trial, and across trials
    audit       the verdict on a trial
    claims      published claims, judged by the records of a run
    report      the files of a run to tables, figures and pages
    simulation  the same scenario at scales that cannot be measured
    shipped     the locations of the files that come with the package
    lifeline    the control channel between the runner and the processes that it starts
    clock       one timeline for all processes of a run
    errors      the errors that a user can meet
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bench.report.explore import Run

__all__ = ["open_run"]


def open_run(folder: Path | str | None = None) -> Run:
    """Open a run for exploring; see `bench.report.explore.open_run`.

    Without a folder it is the one that `TICKERTAPE_RUN` names, else the newest run in `results/`, else the
    reference run that comes with the project. Raises `RunError` where there is no run to open.
    """
    # The figures take a second to import, which no process of a trial should pay.
    from bench.report import explore

    return explore.open_run(folder)
