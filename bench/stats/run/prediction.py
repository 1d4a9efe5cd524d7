"""Predicted against measured: a model's error, cell by cell, compared with its goal.

Each measured trial is compared with the same cell simulated from the same ticks, so the data are pairs. With
mᵢ measured and pᵢ predicted in the i-th pair of a cell, the error is the geometric mean of the ratios, less
1:

    error = exp( mean ln(pᵢ / mᵢ) ) − 1        with its 95 % t interval between pairs (`intervals`)

**Met** is a statement of equivalence: `yes`, the whole interval is within ± the goal; `no`, all of it is
outside; `open`, it is partly within, so that more trials would be needed to decide. Where it is open, the point
estimate still says something: it is **inside** or **outside** the goal (`ValidationRow.standing`), and a model
with many estimates outside is not good, however many of its verdicts are open. A goal on latency holds for cells
whose server was busy for less than `FULL` of the time; above, waiting grows so steeply with load that
only the capacity limit is predicted.

A value that is lost in one pair has no error: without that pair a model would look better for losing
updates, or for not predicting a server's losses.

The interval shows the variation between trials of a cell. An error that all its pairs have in common, such as
that of a wrong cost, is the error itself.

Known weakness: with three pairs the interval is 2.5 standard deviations wide each way.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
import pandas as pd

from bench.stats.run.capacity_limit import CapacityLimit
from bench.stats.run.intervals import LOST, Interval, interval
from bench.stats.run.limit_search import SearchState
from bench.stats.trial.latency import beyond, bin_quantiles

FULL = 0.7
BEYOND = 10
"""The least number of updates of each trial beyond a percentile."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value that is predicted, and its goal."""

    name: str
    goal: float | None
    """Largest error, as a share; None: there is no goal."""
    of_latency: bool = False
    """True where the goal holds only below `FULL`."""
    of_messages: bool = False
    """True for a value of messages that clients send: a cell whose clients only listen has no row of it."""


QUANTITIES = (
    Quantity("latency_mean_ms", None), Quantity("latency_p50_ms", 0.10, True),
    Quantity("latency_p95_ms", None), Quantity("latency_p99_ms", 0.20, True),
    Quantity("age_mean_ms", None), Quantity("age_excess_mean_ms", None),
    Quantity("bytes_per_update", 0.02), Quantity("server_cpu_us_per_update", 0.10),
    Quantity("round_trip_p50_ms", None, of_messages=True),
)
LIMIT = Quantity("knee_clients", 0.10)


@dataclass(frozen=True, slots=True)
class ValidationRow:
    """A row of `validation.csv`."""

    transport: str
    clients: int
    load: float
    """Share of the time that the server was busy, as measured."""
    quantity: str
    measured: float
    predicted: float
    error: float
    interval_low: float
    interval_high: float
    goal: float
    """NaN: none, or none at this load."""
    met: str
    """`yes`, `no`, `open`; empty without a goal."""
    run: str = ""
    """The measured run, by its name among the validation's; empty in a table that does not say."""

    @property
    def key(self) -> tuple[str, str, int, str]:
        """Return what tells the row from all others of a validation."""
        return self.run, self.transport, self.clients, self.quantity

    @property
    def standing(self) -> str:
        """The position of the error, one of `STANDINGS`; empty without a goal."""
        return standing(self.met, self.error, self.goal)


COLUMNS = tuple(each.name for each in fields(ValidationRow))
REQUIRED = tuple(name for name in COLUMNS if name != "run")
"""The columns that every `validation.csv` has."""
INSIDE, OUTSIDE, UNKNOWN = "inside", "outside", "unknown"
PROVEN = {"yes": "inside with proof", "no": "outside with proof"}
STANDINGS = (PROVEN["yes"], INSIDE, OUTSIDE, PROVEN["no"], UNKNOWN)
"""Positions of an error: by its whole interval (with proof), otherwise by its point estimate; `unknown` where
it has neither."""


def figures(trials: pd.DataFrame, distributions: pd.DataFrame) -> pd.DataFrame:
    """Return the VALID trials with the quantities that are made from several columns, or from the
    distribution."""
    valid = trials[trials["verdict"] == "VALID"].copy()
    valid["bytes_per_update"] = valid["bytes_up_per_update"] + valid["bytes_down_per_update"]
    app = distributions[distributions["instant"] == "app"]
    valid["latency_p95_ms"] = [
        _p95_ms(app[app["trial"] == trial], int(lost))
        for trial, lost in zip(valid["trial"].tolist(), valid["lost"].tolist(), strict=True)]
    return valid


def _p95_ms(app: pd.DataFrame, lost: int) -> float:
    held = app.sort_values("bin")
    counts = held["count"].to_numpy(dtype=np.int64)
    if beyond(int(counts.sum()) + lost, 950) < BEYOND:
        return math.nan
    found = bin_quantiles(held["bin"].to_numpy(dtype=np.int64), counts, lost, np.array([0.95]))
    return float(found[0]) / 1e6


def pairs(measured: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
    """Return one row per pair: the measured and simulated trial of a place in the plan, in columns with
    `_measured` and `_predicted`.

    Of a place that was measured several times, its valid trial counts.
    """
    keys = ["transport", "clients", "block", "seed"]
    resimulated = measured.merge(predicted, on=keys, suffixes=("_measured", "_predicted"), validate="one_to_one")
    return resimulated.sort_values(keys, ignore_index=True)


def compare(resimulated: pd.DataFrame, quantities: Sequence[Quantity] = QUANTITIES) -> list[ValidationRow]:
    """Return every quantity of every cell, compared."""
    def has(cell: pd.DataFrame, quantity: Quantity) -> bool:
        name = f"{quantity.name}_measured"
        return not quantity.of_messages or (name in cell and bool(cell[name].notna().any()))

    rows = []
    cells = dict.fromkeys(zip(resimulated["transport"].tolist(), resimulated["clients"].tolist(), strict=True))
    for transport, clients in cells:
        cell = resimulated[(resimulated["transport"] == transport) & (resimulated["clients"] == clients)]
        load = float(cell["server_cpu_cores_measured"].mean())
        rows += [_compared(transport, clients, load, each, cell) for each in quantities if has(cell, each)]
    return rows


def _compared(transport: str, clients: int, load: float, quantity: Quantity, cell: pd.DataFrame) -> ValidationRow:
    mine, theirs = (cell[f"{quantity.name}_{side}"].to_numpy(dtype=np.float64)
                    for side in ("measured", "predicted"))
    both = (mine > 0) & (theirs > 0)   # of NaN neither
    lost = np.isinf(mine[both]).any() or np.isinf(theirs[both]).any()
    ratio = LOST.interval if lost else interval(theirs[both] / mine[both])
    applies = quantity.goal is not None and not (quantity.of_latency and load >= FULL)
    goal = quantity.goal if applies and quantity.goal is not None else math.nan
    error = Interval(ratio.estimate - 1, ratio.low - 1, ratio.high - 1, ratio.count)
    return ValidationRow(
        transport, clients, load, quantity.name, interval(mine[both]).estimate,
        interval(theirs[both]).estimate, error.estimate, error.low, error.high, goal, met(error, goal),
    )


def met(error: Interval, goal: float) -> str:
    """Return the verdict on whether an error is within ± the goal: `yes`, `no` or `open`; empty
    without a goal."""
    if math.isnan(goal):
        return ""
    if math.isnan(error.low):
        return "open"
    if error.low >= -goal and error.high <= goal:
        return "yes"
    return "no" if error.low > goal or error.high < -goal else "open"


def standing(met: str, error: float, goal: float) -> str:
    """Return the position of an error; empty without a goal."""
    if met in PROVEN:
        return PROVEN[met]
    if met != "open":
        return ""
    if not math.isfinite(error):
        return UNKNOWN
    return INSIDE if abs(error) <= goal else OUTSIDE


def verdict_text(standings: Sequence[str]) -> str:
    """Return a sentence with the number of errors in each position, and how many lie outside by their estimate."""
    counted = Counter(word for word in standings if word)
    if not counted:
        return "no goal was set"
    parts = [f"{counted[word]} {word}" for word in STANDINGS if word != UNKNOWN or counted[word]]
    outside = counted[OUTSIDE] + counted[PROVEN["no"]]
    return f"{', '.join(parts)}: the point estimate lies outside in {outside} of {counted.total()}"


def compare_limits(transport: str, load: float, measured: SearchState, predicted: SearchState) -> ValidationRow:
    """Compare the capacity limits of two searches. Each has a 95 % interval of its own, independent of the
    other's, so the error's bounds are those of the ratio on logarithms. NaN where one has no limit."""
    ours, theirs = (found.limit or CapacityLimit(math.nan, math.nan, math.nan) for found in (measured, predicted))
    ratio = theirs.estimate / ours.estimate
    down = math.hypot(math.log(theirs.estimate / theirs.low), math.log(ours.high / ours.estimate))
    up = math.hypot(math.log(theirs.high / theirs.estimate), math.log(ours.estimate / ours.low))
    error = Interval(ratio - 1, ratio * math.exp(-down) - 1, ratio * math.exp(up) - 1, 1)
    goal = LIMIT.goal or math.nan
    return ValidationRow(transport, measured.held or 0, load, LIMIT.name, ours.estimate, theirs.estimate,
                         error.estimate, error.low, error.high, goal, met(error, goal))


def table(rows: Sequence[ValidationRow]) -> pd.DataFrame:
    """Return `validation.csv`."""
    return pd.DataFrame([astuple(each) for each in rows], columns=list(COLUMNS))


def from_table(frame: pd.DataFrame) -> list[ValidationRow]:
    """Return the rows of a `validation.csv` that was read."""
    words = ("transport", "quantity", "met", "run")
    whole = frame.reindex(columns=list(COLUMNS))
    rows: list[Mapping[str, object]] = whole.to_dict("records")   # type: ignore[assignment]
    return [ValidationRow(**{name: "" if name in words and value != value else value   # type: ignore[arg-type]
                             for name, value in row.items()}) for row in rows]


def ambiguous(rows: Sequence[ValidationRow]) -> set[tuple[str, int]]:
    """Return the cells, by transport and clients, of which several runs have a row: only the run tells these apart."""
    first: dict[tuple[str, int, str], str] = {}
    return {key[1:3] for key in (row.key for row in rows) if first.setdefault(key[1:], key[0]) != key[0]}
