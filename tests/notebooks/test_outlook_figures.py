"""Figures of the outlook: what is simulated says so, axes have units, every transport is drawn."""

from __future__ import annotations

import math

import numpy as np
import outlook_figures as outlook
import pandas as pd
from matplotlib.figure import Figure

from bench.report import style

STYLES = style.styles(("short_polling", "websocket", "absent"))
LABELS = ("short_polling", "websocket")


def trials(factor: float = 1.0) -> pd.DataFrame:
    return pd.DataFrame([{"transport": label, "trial": f"1-{label}", "lost": 0, "latency_p50_ms": factor * 2,
                          "latency_p99_ms": factor * 5} for label in LABELS])


def distributions() -> pd.DataFrame:
    return pd.DataFrame([{"trial": f"1-{label}", "instant": "app", "bin": number, "count": 3}
                         for label in LABELS for number in range(1500, 1600)])


def words(figure: Figure) -> str:
    found = [text.get_text() for axes in figure.axes for text in (
        axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts, *axes.get_yticklabels())]
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return "\n".join([figure.get_suptitle(), axes_titles(figure), *found, *legends])


def axes_titles(figure: Figure) -> str:
    return "\n".join(axes.get_title(loc="left") for axes in figure.axes)


def test_percentiles_stand_side_by_side() -> None:
    figure = outlook.percentiles(STYLES, trials(), trials(), (distributions(), distributions()))
    said = words(figure)
    assert "short polling, measured" in said
    assert "WebSocket, simulated" in said
    assert "latency (ms" in said
    assert len(figure.axes[0].lines) == 4
    values = np.asarray(figure.axes[0].lines[0].get_ydata(), dtype=float)
    assert (np.diff(values) >= 0).all()


def test_raised_says_that_it_is_simulated_and_leaves_out_what_is_infinite() -> None:
    found = pd.DataFrame([
        {"transport": label, "clients": count, "load_form": count / 100, "load_engine": count / 100,
         "latency_mean_form_ms": math.inf if count > 50 else 1.0, "latency_mean_engine_ms": 1.0}
        for label in LABELS for count in (20, 40, 80)])
    figure = outlook.raised(STYLES, found, 0.6)
    assert "(simulated)" in words(figure)
    assert "full at 60 %" in words(figure)
    assert "mean latency (ms" in words(figure)
    forms = np.asarray(figure.axes[1].lines[0].get_ydata(), dtype=float)
    assert np.isnan(forms).tolist() == [False, False, True]


def plan(**changed: float) -> pd.DataFrame:
    given = {"workers": 10.0, "gbit_out_per_s": 1.5, "month": 4000.0}
    bounds = {f"{name}_{side}": value * factor for name, value in given.items()
              for side, factor in (("low", 0.9), ("high", 1.2))}
    known = {"clients": 200_000, "currency": "USD", **given, **bounds, **changed}
    return pd.DataFrame([{"transport": label, **known} for label in LABELS])


def test_fleets_have_their_bounds_and_prices_only_where_there_are_any() -> None:
    figure = outlook.fleets(STYLES, plan())
    assert "What do 200,000 clients take? (simulated)" in words(figure)
    assert "per month (thousand USD)" in words(figure)
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 2]
    assert len(outlook.fleets(STYLES, plan(month=math.nan)).axes) == 2
    unchecked = outlook.fleets(STYLES, plan(workers_low=math.nan, workers_high=math.nan))
    assert len(unchecked.axes[0].lines) == 0


def test_farther_names_both_and_the_round_trip() -> None:
    figure = outlook.farther(STYLES, trials(), trials(9.0), 80.0)
    said = words(figure)
    assert "a round trip of 80 ms" in said
    assert said.count("simulated") == said.count("measured") == 2
    assert "latency, median to 99th percentile (ms" in said


def test_a_frontier_has_a_line_for_each_transport_and_says_what_it_shows() -> None:
    lines = pd.DataFrame([{"transport": label, "within_ms": within_ms, "cores": 1000 / within_ms}
                          for label in LABELS for within_ms in (100.0, 1000.0)])
    table = pd.DataFrame([{"role": "best", "transport": label, "possible": True, "cores": 1.0} for label in LABELS])
    figure = outlook.frontier(table, lines, 1000.0)
    said = words(figure)
    assert "What does freshness cost? (computed)" in said
    assert "CPU cores" in said
    assert "longest staleness of an update (s" in said
    assert {"short polling", "WebSocket"} <= set(said.splitlines())
