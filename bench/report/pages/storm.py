"""The report of a reconnect storm: recovery of the clients under each policy, and the work that it wastes.

    manifest.json  storm.csv  storm_timeline.csv  storm_assumptions.csv  [storm_map.csv] ─► report.html  .md

Each sentence is computed from the tables. Times are medians over the seeds, with least and most. Shares and
attempts are means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.records import manifest as manifests
from bench.records.manifest import Manifest
from bench.report import style
from bench.report.data.table_files import read_csv
from bench.report.figures import storm as figures
from bench.report.figures.spec import FigureSpec
from bench.report.figures.storm import order
from bench.report.pages import render
from bench.report.pages.render import Page
from bench.report.tables.run import TextTable
from bench.scenario.storm import Backoff, Storm

FILES = {
    "storm.csv": (
        "policy", "seed", "clients", "connection_ms", "backlog", "backlog_share", "refusal_share", "timeout_s",
        "down_s", "horizon_s", "floor_s", "recovered_s", "connected", "connected_share", "attempts",
        "attempts_per_client", "attempts_median", "attempts_max", "failed_down", "refused", "stale",
        "wasted_share", "cpu_s", "ended_s"),
    "storm_timeline.csv": (
        "policy", "at_s", "attempts", "failed_down", "refused", "connected", "stale", "connected_share",
        "wait_mean_s", "refusing_share"),
    "storm_map.csv": (
        "backlog_share", "backlog", "window_share", "window_s", "floor_s", "seeds", "recovered", "recovered_s",
        "connected_share", "attempts_per_client", "wasted_share"),
    "storm_assumptions.csv": (
        "policy", "seed", "overflow", "refusal_share", "recovered_s", "connected_share", "attempts_per_client",
        "wasted_share"),
}
"""The tables of a storm, with their columns; the map is made only where the scenario asks for it."""

ASIDE = "simulated, not measured"
CAVEATS = (
    "Workers share nothing and each client reconnects to its own worker, so one worker represents all. The "
    "slowest of many is somewhat later.",
    "Refusals are made on arrival, before anything that waits: the worst case for a server that refuses in its "
    "own loop. In a proxy a refusal costs the worker less: set storm.refusal_share. A full listen backlog "
    "isn't refused at all: the kernel drops attempts at almost no cost, and the client's kernel sends the SYN "
    "again.",
    "A client that gave up keeps its place in the backlog and its connection is made nevertheless, since the "
    "server learns of it only after the work.",
    "All clients lose the server in the same instant. Draining servers one after the other has the effect of a "
    "window.",
    "Attempts take no time on the network; waits are seconds, so tens of milliseconds of network change nothing.",
)


@dataclass(frozen=True, slots=True)
class StormRun:
    """The files of a reconnect storm. The frames' columns are described in `docs/results.md`."""

    folder: Path
    manifest: Manifest
    storms: pd.DataFrame
    timelines: pd.DataFrame
    map: pd.DataFrame | None
    assumptions: pd.DataFrame
    """The policies, simulated under other assumptions."""

    @property
    def storm(self) -> Storm:
        """Return the scenario's table of the storm."""
        assert self.manifest.scenario.storm is not None, "no storm"
        return self.manifest.scenario.storm


def open_storm(folder: Path) -> StormRun:
    """Read the files of a storm; raises `RunError` where one is missing or damaged."""
    manifest = manifests.read(folder)
    has_map = manifest.scenario.storm is not None and manifest.scenario.storm.map is not None
    tables = {name: read_csv(folder / name, columns) for name, columns in FILES.items()
              if has_map or name != "storm_map.csv"}
    return StormRun(folder, manifest, tables["storm.csv"], tables["storm_timeline.csv"],
                    tables.get("storm_map.csv"), tables["storm_assumptions.csv"])


def build(folder: Path) -> StormRun:
    """Write the report of the storm in `folder`, and return the storm."""
    run = open_storm(folder)
    render.write(folder, page(run))
    return run


def _map_caption(run: StormRun) -> str:
    assert run.map is not None, "drawn only where there is a map"
    assert run.storm.map is not None, "the map that was made"
    return (
        f"Each field is {int(run.map['seeds'].iloc[0])} storms: its number is the median time from the server's "
        "return, in floors (1 is perfect, * some of them never ended), hatched where most never ended within "
        f"{run.storms['horizon_s'].iloc[0]:g} s. Upwards the backlog is deeper: above the orange line, which is there "
        "if the map goes as deep, it is more than a worker connects within the timeout, so that the last clients "
        "give up before their turn (Little's law); also below it where refusals take part of the capacity. To the "
        "right the first attempts are spread more widely; with a window slightly longer than the floor, arrivals "
        "stay below capacity and no backlog builds up. Later retries: "
        f"{style.title(run.storm.map.policy)}.")


def _map(run: StormRun) -> pd.DataFrame:
    assert run.map is not None, "drawn only where there is a map"
    return run.map


FIGURES = (
    FigureSpec[StormRun](
        "recovery", lambda run: figures.headline(run.storms), lambda run: figures.recovery(run.storms),
        "Bars are medians over the seeds, the thin line runs from the lowest to the highest. The dashed line is "
        "the floor: all clients of a worker, divided by what it can connect in a second. Hatched: 99.9 % were not "
        "back within the simulated time. Wasted is CPU for refusals, and for clients that had given up."),
    FigureSpec[StormRun](
        "connected", "When are the clients back?", lambda run: figures.connected(run.storms, run.timelines),
        "The nearer a line is to the dashed one, the less of the server's time goes to clients that are turned "
        "away or gone. A line that stays at the bottom is a storm that sustains itself."),
    FigureSpec[StormRun](
        "pressure", "How many attempts reach the server, and how many succeed?",
        lambda run: figures.pressure(run.storms, run.timelines),
        "The server is away left of 0. Where attempts are far above capacity, refusing them costs more than the "
        "worker has, and no connection succeeds; where the wait is above the timeout, connections are made for "
        "clients that have given up. No line: no connection was made in that second, in time or not."),
    FigureSpec[StormRun](
        "map", lambda run: figures.map_headline(_map(run)), lambda run: figures.map_of(_map(run)), _map_caption,
        worth=lambda run: run.map is not None),
)
"""The figures of the page, in its order."""


def page(run: StormRun) -> Page:
    """Return the report as plain data."""
    return Page(
        question=run.manifest.question, subtitle=render.subtitle(run.manifest),
        notice=_notice(run), summary=findings(run), leading=[policies_table(run.storms, run.assumptions)],
        figures=render.drawn_all(FIGURES, run, ASIDE),
        sections=[conditions_table(run)], caveats=CAVEATS, files=render.files_of(run.folder, tuple(FILES)),
    )


def _notice(run: StormRun) -> str:
    given = run.storms.iloc[0]
    costs = run.manifest.costs
    source = "is the scenario's assumption" if costs is None else f"is from the {costs.description}"
    return ("Simulated, not measured. That connecting a client takes a worker "
            f"{given['connection_ms']:.3g} ms of CPU {source}.")


def findings(run: StormRun) -> list[str]:
    """Return the findings of the tables, the floor first."""
    storms, given = run.storms, run.storms.iloc[0]
    workers = run.manifest.scenario.simulation.workers
    fleet = f" ({int(given['clients']) * workers:,} on {workers} workers)" if workers > 1 else ""
    sentences = [
        f"A worker connects at most {1000 / given['connection_ms']:,.0f} clients per second, so its "
        f"{given['clients']:,.0f}{fleet} can't all be back before {style.number(given['floor_s'])} s: the "
        "floor."]
    sentences.append(_assumed(given))
    sentences += [_policy(storms[storms["policy"] == policy]) + _otherwise(run.assumptions, policy)
                  for policy in order(storms)]
    share = float(given["backlog_share"])
    within = "shallow enough" if share <= 1 else "too deep"
    sentences.append(
        f"The backlog of {given['backlog']:,.0f} is {within}: a worker connects "
        f"{given['timeout_s'] * 1000 / given['connection_ms']:,.0f} clients within the timeout, and a client "
        "behind more than that gives up before its turn.")
    return sentences + (
        _map_findings(run.map, float(given["down_s"])) if run.map is not None else [])


def _assumed(given: pd.Series) -> str:
    """Return the sentence on the assumptions on which the answers depend."""
    return ("Assumed, not measured: an attempt that finds the backlog full is refused at once, a refusal costs "
            f"{given['refusal_share']:g} × a connection, and refusals have priority over waiting connections. "
            "Each answer is followed by the answer for a kernel that drops such attempts at no cost, and by "
            "the cost of a refusal at which it changes.")


def _otherwise(assumptions: pd.DataFrame, policy: str) -> str:
    """Return the answer of a policy under other assumptions, in words."""
    mine = assumptions[assumptions["policy"] == policy]
    dropped = mine[mine["overflow"] == "dropped"]
    late = float(dropped["recovered_s"].median())
    back = (f"{100 * dropped['connected_share'].mean():.3g} % ever reconnect" if math.isinf(late)
            else f"back after {style.number(late)} s")
    return f" Dropped by the kernel: {back}. {style.sentence(_flips(mine))}."


def _flips(mine: pd.DataFrame) -> str:
    """Return the price of a refusal at which the answer of a policy changes, in words."""
    refused = mine[mine["overflow"] == "refused"]
    over = refused["recovered_s"] < math.inf
    ends, lasts = refused.loc[over, "refusal_share"], refused.loc[~over, "refusal_share"]
    if not len(ends):
        return "never back, even if a refusal costs nothing"
    if not len(lasts):
        return f"back at any cost of a refusal up to {ends.max():g} × a connection"
    return f"back where a refusal costs up to {ends.max():g} × a connection, never from {lasts.min():g} ×"


def _policy(mine: pd.DataFrame) -> str:
    """Return the result of one policy in words."""
    name, given = style.sentence(style.title(mine["policy"].iloc[0])), mine.iloc[0]
    tries = f"{style.number(float(mine['attempts_per_client'].mean()))} attempts per client"
    wasted = f"{100 * mine['wasted_share'].mean():.0f} % of the CPU wasted"
    late = float(mine["recovered_s"].median())
    if math.isinf(late):
        back = 100 * mine["connected_share"].mean()
        return (f"{name}: never within {given['horizon_s']:g} s; {back:.3g} % are back by then, after "
                f"{tries}, {wasted}.")
    low, high = mine["recovered_s"].min(), mine["recovered_s"].max()
    seconds, floors = style.number(late), late / given["floor_s"]
    spread = [style.number(each) for each in (low, high)]
    over = f" ({spread[0]} to {spread[1]} s)" if spread[0] != spread[1] else ""
    return (f"{name}: 99.9 % are back after {seconds} s{over}, {floors:.2f} × the floor, with {tries}, "
            f"{wasted}.")


def _map_findings(points: pd.DataFrame, down_s: float) -> list[str]:
    """Return the findings of the map: the depth from which storms don't end, and the windows that always
    help.

    `down_s` is the time that the server is away. A window begins when the server goes away, while times begin
    when it is back.
    """
    found = []
    lost = points[points["recovered"] == 0]
    if len(lost):
        depth, widest = float(lost["backlog_share"].min()), float(lost["window_share"].max())
        there = points[(points["backlog_share"] >= depth) & (points["window_share"] <= widest)]
        which = "no storm ended" if len(there) == len(lost) else "not every storm ended"
        found.append(
            f"With a backlog of {depth:g} × the clients that a worker connects within the timeout, or a deeper "
            f"one, {which} where first attempts were spread over {widest:g} × the floor or less.")
    whole = points.assign(whole=points["recovered"] == points["seeds"])
    safe = whole[whole.groupby("window_share")["whole"].transform("all")]
    if len(safe):
        worst = safe.sort_values("recovered_s").groupby("window_share", as_index=False).last()
        chosen = worst.sort_values("recovered_s").iloc[0]
        best, late = float(chosen["window_share"]), float(chosen["recovered_s"] / chosen["floor_s"])
        how, since = (f"spread over {best:g} × the floor", (
            f"; windows begin when the server goes away, {down_s:g} s before it is back")) if best else (
            "made at once", "")
        found.append(
            f"First attempts {how} are back within {late:.2f} × the floor, however deep the backlog{since}.")
    shallow = points[points["backlog_share"] == points["backlog_share"].min()].set_index("window_share")
    narrow = shallow[(shallow.index > 0) & (shallow.index < 1)]["recovered_s"]
    if 0 in shallow.index and len(narrow) and narrow.min() > float(shallow.loc[0, "recovered_s"]):
        found.append(
            "A window narrower than the floor is worse than none: its last clients still have short waits when "
            "the server returns, while without a window all have reached long ones.")
    return found


def policies_table(storms: pd.DataFrame, assumptions: pd.DataFrame) -> TextTable:
    """Return a row per policy, the quickest first, with its result under other `assumptions`."""
    rows = []
    for policy in order(storms):
        mine = storms[storms["policy"] == policy]
        late = float(mine["recovered_s"].median())
        rows.append((
            style.title(policy),
            "never" if math.isinf(late) else style.number(late),
            "–" if math.isinf(late) else f"{late / mine['floor_s'].iloc[0]:.2f} ×",
            f"{100 * mine['connected_share'].mean():.3g} %",
            *_alternatives(assumptions, policy),
            style.number(float(mine["attempts_per_client"].mean())), f"{mine['attempts_max'].max():,.0f}",
            f"{mine['refused'].mean():,.0f}", f"{mine['stale'].mean():,.0f}",
            f"{100 * mine['wasted_share'].mean():.3g} %",
        ))
    columns = ("policy", "99.9 % back (s)", "÷ floor", "back in the end", "if dropped (s)",
               "flips at a refusal of", "attempts per client", "at most", "refused", "connected too late",
               "CPU wasted")
    note = (f"Means over {storms.groupby('policy').size().max()} seeds, of the time the median. A refusal is "
            f"assumed to cost {storms['refusal_share'].iloc[0]:g} × a connection and to have priority; if dropped: "
            "the kernel drops attempts that find the backlog full, and the client's kernel sends the SYN again; "
            "flips: the costs of a refusal between which the answer changes.")
    return TextTable("policies", "Policies, for one worker", columns, tuple(rows), note)


def _alternatives(assumptions: pd.DataFrame, policy: str) -> tuple[str, ...]:
    """Return the cells of a policy under other assumptions."""
    mine = assumptions[assumptions["policy"] == policy]
    late = float(mine.loc[mine["overflow"] == "dropped", "recovered_s"].median())
    refused = mine[mine["overflow"] == "refused"]
    over = refused["recovered_s"] < math.inf
    shares = [f"{share:g}" for share in sorted(refused["refusal_share"])]
    flips = (f"{shares[0]} to {shares[-1]} ×" if over.any() and not over.all()
             else "never back" if not over.any() else f"none up to {shares[-1]} ×")
    return ("never" if math.isinf(late) else style.number(late), flips)


def conditions_table(run: StormRun) -> TextTable:
    """Return the table of what was simulated."""
    given = run.storms.iloc[0]
    rows = [
        ("clients of a worker", f"{given['clients']:,.0f}"),
        ("CPU for connecting one", f"{given['connection_ms']:.3g} ms"),
        ("floor: clients ÷ connections per second", f"{style.number(given['floor_s'])} s"),
        ("backlog", f"{given['backlog']:,.0f}, {given['backlog_share']:.2f} × the connections made within the "
                    "timeout"),
        ("a refusal costs", f"{given['refusal_share']:g} × a connection, with priority (assumed)"),
        ("clients give up after", f"{given['timeout_s']:g} s"),
        ("server down for", f"{given['down_s']:g} s"),
        ("watched for", f"{given['horizon_s']:g} s after that"),
        ("seeds", ", ".join(str(seed) for seed in sorted(run.storms["seed"].unique()))),
        *((f"policy {style.title(name)}", _backoff(policy)) for name, policy in run.storm.policies.items()),
    ]
    return TextTable("conditions", "The simulated storm", ("", ""), tuple(rows), (
        "v = min(cap, base · 2ⁿ) after n failures; U(a, b) is uniform. The first attempt is made at once, or "
        "within the window. Tables: storm.csv, storm_timeline.csv, storm_map.csv (see docs/results.md)."))


FORMULAS = {
    "fixed": "base", "exponential": "v", "equal": "v/2 + U(0, v/2)", "full": "U(0, v)",
    "decorrelated": "min(cap, U(base, 3 · the previous wait))",
}


def _backoff(policy: Backoff) -> str:
    """Return a policy's formula with its numbers."""
    parts = [f"waits {FORMULAS[policy.wait]}, base {policy.base_s:g} s"]
    parts += [f"cap {policy.cap_s:g} s"] if policy.wait != "fixed" else []
    parts += [f"first attempt within {policy.window_s:g} s"] if policy.window_s else []
    parts += ["reconnects when Retry-After says"] if policy.heeds_retry_after else []
    return ", ".join(parts)
