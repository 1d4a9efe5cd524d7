"""The figure of a sweep: a curve for each swept transport, a point for any other, and both frontiers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import Made, Plan, make_run

from bench.report import RunData, open_run, style
from bench.report.data.swept import curves_of
from bench.report.figures import sweep as figures
from bench.report.figures.run import of
from bench.report.figures.speed import run_styles

INTERVALS = (0.25, 0.5, 1.0)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """A run in which short polling has three intervals: the longer, the staler and the cheaper."""
    subjects = {f"short_polling interval_s={value}": Made("short_polling", interval_s=value, cpu_us=10 / value)
                for value in INTERVALS}
    folder = make_run(tmp_path_factory.mktemp("runs") / "swept", Plan(
        trials=4, clients=(10,), subjects={**subjects, "websocket": Made(cpu_us=25.0)}))
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["scenario"]["sweep"] = {"transports.short_polling.interval_s": list(INTERVALS)}
    path.write_text(json.dumps(manifest))
    return open_run(folder)


def test_a_swept_transport_is_a_curve_and_any_other_a_point(swept: RunData) -> None:
    assert [(curve.label, len(curve.subjects)) for curve in curves_of(swept)] == [
        ("short_polling", 3), ("websocket", 1)]
    figure = figures.SWEEP.figure(swept)
    for axes in figure.axes:
        lines = {str(line.get_label()): line.get_xydata() for line in axes.get_lines()}
        curve = lines["short polling by interval_s"]
        ages = [swept.summary.set_index("transport").at[label, "age_excess_mean_ms"]
                for _, label in curves_of(swept)[0].subjects]
        assert curve[:, 1].tolist() == pytest.approx(ages)
        assert len(lines["WebSocket"]) == 1
        assert [text.get_text() for text in axes.texts][:3] == ["0.25", "0.5", "1"]
        assert "frontier" in lines
    assert figures.SWEEP.worth(swept)
    assert of(swept)[0] is figures.SWEEP


def test_a_sweep_without_a_valid_trial_says_so(swept: RunData) -> None:
    bad = replace(swept, trials=swept.trials.assign(verdict="INVALID"))
    figure = figures.SWEEP.figure(bad)
    assert "no valid trial has this value" in [text.get_text() for axes in figure.axes for text in axes.texts]
    assert style.svg(figure, "sweep").startswith("<svg")


def test_a_run_without_a_sweep_has_no_such_figure(run: RunData) -> None:
    assert not figures.SWEEP.worth(run)
    assert figures.SWEEP not in of(run)


def test_the_subjects_of_a_sweep_share_a_colour(swept: RunData) -> None:
    styles = run_styles(swept)
    swept_styles = [look for label, look in styles.items() if label != "websocket"]
    assert len({look.colour for look in swept_styles}) == 1
    assert len({look.marker for look in swept_styles}) == 3
    assert styles["websocket"].colour not in {look.colour for look in swept_styles}


@given(st.lists(st.tuples(st.floats(0.1, 100), st.floats(0.1, 100)), min_size=1, max_size=12))
def test_nothing_beats_a_point_of_the_frontier(points: list[tuple[float, float]]) -> None:
    line = figures.frontier(points)
    for cost, age in points:
        assert any(mine <= cost and best <= age for mine, best in line)
        assert not any(cost < mine and age < best for mine, best in line)
