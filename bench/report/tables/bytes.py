"""Tables of the bytes on the wire: the numbers of the stacked bars, and the cost of a connection.

The parts of a row add up to its total, as they do in every trial (`bench.stats.trial.bytes`). Opening and
closing are for one connection, whether it was opened within the window or long before it. Beside the bytes is
the server's CPU for taking on a client, from before the first client until all had their first response.
"""

from __future__ import annotations

import pandas as pd

from bench.report import style
from bench.report.data.run import RunData
from bench.report.figures.cost import KINDS, counted
from bench.report.tables.run import TextTable
from bench.stats.trial.bytes import DIRECTIONS, PARTS

WORTH_A_COLUMN = 0.001
"""Share of a row's bytes below which a part is chance: bytes that passed between two readings of the
counters."""
CPU = "server_opening_cpu_us_per_client"
HEADS = {CPU: "server CPU, µs per client"}
OF_CPU = " The server's CPU is from before the first client until all had their first response."


def bytes_table(run: RunData) -> TextTable:
    """Return the table of bytes and segments per update, by part, for each cell and direction."""
    shown = [part for part in PARTS if any(
        abs(counted(row, f"{part}_bytes_{direction}_per_update"))
        > WORTH_A_COLUMN * counted(row, f"bytes_{direction}_per_update")
        for _, row in _cells(run) for direction in DIRECTIONS)]
    rows = []
    for label, row in _cells(run):
        for direction in DIRECTIONS:
            parts = (_number(row, f"{part}_bytes_{direction}_per_update") for part in shown)
            rows.append((
                f"{row['clients']:,}", style.title(label), direction, *parts,
                *(_number(row, f"{name}_{direction}_per_update")
                  for name in ("bytes", "segments", "ack_segments")),
            ))
    columns = ("clients", "transport", "", *(KINDS[part][0] for part in shown), "all bytes", "segments",
               "of them bare acks")
    return TextTable("wire", "Bytes per update, by part", columns, tuple(rows), note=(
        "Per update that arrived, on the wire with IPv4; the parts add up to the total. –: not measured, or "
        "not visible to the client."))


def connections_table(run: RunData) -> TextTable:
    """Return the table of the bytes, segments and CPU of one connection, for each cell that has any."""
    names = [f"{what}_{unit}_{direction}" for what in ("opening", "closing")
             for unit in ("bytes", "segments") for direction in DIRECTIONS]
    cells = [(label, row) for label, row in _cells(run) if any(counted(row, name) for name in names)]
    names += [CPU] * any(counted(row, CPU) for _, row in cells)
    rows = tuple((f"{row['clients']:,}", style.title(label), *(_number(row, name) for name in names))
                 for label, row in cells)
    columns = ("clients", "transport", *(HEADS.get(name, name.replace("_", " ")) for name in names))
    return TextTable("connections", "The cost of opening and closing a connection", columns, rows, note=(
        "Bytes with TCP/IP headers. Opening is TCP's handshake, and TLS's where there is one; an upgrade within the "
        "window is counted under HTTP headers, one before it in no column of bytes. Closing runs from the first FIN "
        "on." + OF_CPU * (CPU in names)))


def _cells(run: RunData) -> list[tuple[str, pd.Series]]:
    return [(str(row["transport"]), row) for _, row in run.summary.iterrows()]


def _number(row: pd.Series, name: str) -> str:
    value = row.get(name)
    return style.number(float(value), digits=4) if isinstance(value, int | float) else "–"
