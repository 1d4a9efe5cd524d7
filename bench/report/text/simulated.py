"""Texts that say, throughout the report of a simulated run, that it is simulated, and how accurate.

    every figure and table   "simulated" in its title; the source of the costs beside a figure
    measured points          hollow, beside the simulated curves, where cells of the same feed and options were measured
    grey                     the client counts up to which the model was checked (`validation.csv`)

The marks are drawn by `bench.report.figures`; the tables are in `bench.report.tables.model_accuracy`.

Known weakness: the shading goes by client count. Whether a prediction holds depends on the load of the
server, which the table "Accuracy of the predictions" compares.
"""

from __future__ import annotations

import pandas as pd

from bench.records.manifest import Manifest
from bench.report.data.run import RunData

UNCHECKED = "The model was not validated on this host (tickertape validate does that)."
OF_THE_NETWORK = ("latency", "age")
"""Beginnings of the names of columns that depend on the network."""
CAVEATS = (
    "Nothing here was measured. Servers are queues: they work in order of arrival, and each kind of work takes "
    "the CPU time that it took on the calibrated host. Memory, garbage collection and loss are not simulated.",
    "Every client has the same network: a constant delay each way, and the scenario's jitter. Where the "
    "scenario names none, it is the loopback of the calibrated host with its load client, as in a measured "
    "trial.",
    "Bytes are those of the project's own encoders, with TCP's segments and acknowledgements by rule; nothing "
    "is retransmitted.",
    "Workers share nothing and have equal shares of the clients. Fates, latencies, bytes and CPU are of all "
    "clients; ages are of a sample of clients, chosen by hash, whose rows are all kept.",
    "Intervals are Student's t between trials, at 95 %, as for measured runs: they include the variation of "
    "feed and phases from trial to trial, and none of the model's error. All clients share the feed, so more "
    "of them don't narrow an interval.",
)
FORMS = ("Fine lines: closed forms, with the same costs and network, and nothing fitted to what was "
         "simulated. ")
FORMS_OF_A_PUSH = "Dashed: closed forms of polling, where there are any. "
"""The caption of closed forms in a run without a table of them."""


def conditions_text(manifest: Manifest) -> str:
    """Return the source of the costs that a run was simulated with, in words."""
    assert manifest.costs is not None, "a run that was simulated with costs"
    return manifest.costs.description


def notice(run: RunData) -> str:
    """Return the notice at the head of the report of a simulated run; empty for a measured one."""
    if not run.simulated:
        return ""
    return f"Everything here is simulated, not measured, with {conditions_text(run.manifest)}. {checked(run)}"


def checked(run: RunData) -> str:
    """Return a sentence on the client counts and loads up to which the model was checked."""
    rows = _cells_checked(run)
    if not len(rows):
        return UNCHECKED
    most, load = int(rows["clients"].max()), float(rows["load"].max())
    return (f"The model was checked against measured cells of up to {most:,} clients on one worker, and "
            f"loads of up to {100 * load:.0f} % of a core; the table “Accuracy of the predictions” has more.")


def forms_note(run: RunData, *, of_a_push: bool = False) -> str:
    """Return the part of a caption that explains the closed forms in a figure; empty where it has none.

    `of_a_push` says that this figure of a run without a table of closed forms has those that start from its push.
    """
    if run.closed_forms is not None:
        return FORMS
    return FORMS_OF_A_PUSH if of_a_push else ""


def beside_note(run: RunData, column: str) -> str:
    """Return the part of a caption that explains measured points, and the range that was checked."""
    sentences = []
    points = beside(run, column)
    if points is not None and len(points):
        measured = run.manifest.measured
        named = f" (run {measured.run})" if measured is not None else ""
        sentences.append(f"Hollow marks: measured on loopback{named}, where comparable cells were.")
    most = checked_most(run)
    if not most:
        sentences.append(UNCHECKED)
    elif min(run.clients) <= most:
        sentences.append("Grey: client counts up to which the model was checked.")
    else:
        sentences.append(f"The model was checked with up to {most:,} clients on one worker.")
    return " ".join(sentences)


def titled(heading: str) -> str:
    """Return a heading that says that its values are simulated."""
    if "imulated" in heading:
        return heading
    return f"{heading[:-1]}, simulated)" if heading.endswith(")") else f"{heading} (simulated)"


def beside(run: RunData, column: str) -> pd.DataFrame | None:
    """Return the measured cells of the same shape (`bench.simulation.baseline`) that have this column.

    Returns None where there are none, or where the column depends on a network other than the measured one.
    """
    if run.measured is None or column not in run.measured:
        return None
    asked = run.scenario.simulation
    elsewhere = asked.delays_s is not None
    of_one = asked.workers == 1 and not asked.jitter_ms
    if column.startswith(OF_THE_NETWORK) and (elsewhere or not of_one):
        return None
    return run.measured.dropna(subset=[column])


def counts(run: RunData, *columns: str) -> tuple[int, ...]:
    """Return the client counts that a figure of these columns shows: the run's own and the measured ones."""
    found = set(run.clients)
    for column in columns:
        cells = beside(run, column)
        if cells is not None:
            found |= {int(clients) for clients in cells["clients"]}
    return tuple(sorted(found))


def checked_most(run: RunData) -> int:
    """Return the most clients per worker with which the model was checked; 0 where it was not checked."""
    rows = _cells_checked(run)
    return int(rows["clients"].max()) if len(rows) and run.simulated else 0


def _cells_checked(run: RunData) -> pd.DataFrame:
    """Return the rows of the validation that are of cells, not of capacity limits."""
    if run.validation is None:
        return pd.DataFrame(columns=["clients", "load"])
    return run.validation[run.validation["quantity"] != "knee_clients"]
