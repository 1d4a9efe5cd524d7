"""The frontier shows a line for each transport, its best setting, and what is used now."""

from __future__ import annotations

import pandas as pd

from bench.report.figures.decision import frontier

LINES = pd.DataFrame([
    {"transport": name, "within_ms": within, "cores": cores / within}
    for name, cores in (("short_polling", 900.0), ("websocket", 300.0)) for within in (100.0, 1000.0, 10_000.0)])
TABLE = pd.DataFrame([
    {"role": "best", "transport": "short_polling", "possible": True, "cores": 0.9, "latency_worst_ms": 1000.0},
    {"role": "best", "transport": "websocket", "possible": False, "cores": float("nan"),
     "latency_worst_ms": float("nan")},
    {"role": "now", "transport": "short_polling", "possible": True, "cores": 0.2, "latency_worst_ms": 5000.0},
])


def test_the_marks_are_where_the_tables_say() -> None:
    (axes,) = frontier(TABLE, LINES, 1000.0, "cores", "CPU cores").axes
    drawn = {line.get_label(): line for line in axes.get_lines() if not str(line.get_label()).startswith("_")}
    assert {"short polling", "WebSocket", "now"} <= set(drawn)
    assert list(drawn["short polling"].get_xdata()) == [0.1, 1.0, 10.0]
    assert list(drawn["now"].get_xdata()) == [5.0]
    large = [line for line in axes.get_lines() if line.get_markersize() == 11]
    assert sum(len(line.get_xdata()) for line in large) == 1   # one that can't has no marker
    assert axes.get_xlabel().startswith("longest staleness")
