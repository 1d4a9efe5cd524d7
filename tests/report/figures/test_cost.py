"""Bars of bytes: as long as the whole, a part for each kind that was found."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from matplotlib.patches import Rectangle

from bench.report import RunData
from bench.report.figures import cost


def lengths(run: RunData) -> dict[str, float]:
    """Return the bytes that the bars of long polling show together, by direction."""
    axes = cost.bytes_per_update(run).axes[0]
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    ticks = zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
    rows = {label.get_text(): place for label, place in ticks}
    found = {}
    for direction in ("up", "down"):
        y = rows[f"long polling, {direction}"]
        found[direction] = sum(
            bar.get_width() for bar in bars if abs(bar.get_y() + bar.get_height() / 2 - y) < 0.01)
    return found


def counted(run: RunData) -> dict[str, float]:
    """Return the bytes of long polling in the summary, by direction."""
    cell = run.summary.set_index(["transport", "clients"]).loc[("long_polling", 30)]
    return {direction: cell[f"bytes_{direction}_per_update"] for direction in ("up", "down")}


def test_bars_are_as_long_as_the_bytes(run: RunData) -> None:
    assert lengths(run) == pytest.approx(counted(run))


def test_a_bar_beside_a_much_longer_one_is_whole_and_has_its_value(run: RunData) -> None:
    """Its parts are too small to have an outline, and are drawn all the same."""
    wire = [name for name in run.summary if "_bytes_" in name or name.startswith("bytes_")]
    longest = run.summary["transport"] == "websocket"
    summary = run.summary.assign(**{name: run.summary[name].where(~longest, 1e4 * run.summary[name]) for name in wire})
    other = replace(run, summary=summary)
    assert lengths(other) == pytest.approx(counted(run))
    axes = cost.bytes_per_update(other).axes[0]
    assert len(axes.texts) == len(axes.get_yticks())


def test_the_legend_names_what_is_drawn(run: RunData) -> None:
    figure = cost.bytes_per_update(run)
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(shown) == [
        "HTTP headers", "TCP/IP headers", "bare acknowledgements", "framing", "payload (the ticks)"]


def test_a_slightly_negative_part_does_not_lengthen_the_bar(run: RunData) -> None:
    name = "tls_bytes_down_per_update"
    other = replace(run, summary=run.summary.assign(**{
        name: -30.0, "framing_bytes_down_per_update": run.summary["framing_bytes_down_per_update"] + 30.0}))
    assert lengths(other) == pytest.approx(counted(run))


def test_what_no_trial_has_is_no_zero(run: RunData) -> None:
    wire = [name for name in run.summary if "_bytes_" in name or name.startswith("bytes_")]
    (axes,) = cost.bytes_per_update(replace(run, summary=run.summary.assign(**dict.fromkeys(wire, math.nan)))).axes
    assert [text.get_text() for text in axes.texts] == ["no valid trial has this value"]
