"""A simulated run says at every turn that it is one, and is compared only with comparable cells."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from manifests import TOLD
from simulated_runs import made

from bench.report import RunData, build
from bench.report.figures import cost, speed
from bench.report.figures import run as figures
from bench.report.pages.run import page
from bench.report.tables import run as tables
from bench.report.text import simulated


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    return made(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """A simulated run of clients that are far away."""
    return made(tmp_path_factory.mktemp("runs"), {"rtt_ms": 80.0})


def test_every_figure_table_and_caption_says_so(known: RunData) -> None:
    whole = page(known)
    assert whole.notice.startswith(f"Everything here is simulated, not measured, with {TOLD}.")
    assert all(figure.title.endswith("simulated)") for figure in whole.figures)
    assert len(whole.figures) == len(figures.COMPARED) + len(figures.SIMULATED)
    background = {"not-assessed", "scenario", "host", "versions", "costs", "resumed", "host-speed"}
    tables = [*whole.leading, *(each for each in whole.sections if each.name not in background)]
    assert all("imulated" in each.heading for each in tables)
    assert "costs" in {each.name for each in whole.sections}
    assert whole.caveats == simulated.CAVEATS


def test_the_whole_report_comes_from_the_runs_files_alone(known: RunData, tmp_path: Path) -> None:
    copy = tmp_path / known.folder.name
    shutil.copytree(known.folder, copy)
    build(known.folder)
    for path in (known.folder / "fleet.csv", known.folder / "report.html"):
        assert path.is_file()
    build(copy)
    assert (copy / "report.html").read_bytes() == (known.folder / "report.html").read_bytes()
    html = (copy / "report.html").read_text()
    assert "measured on loopback (run reference)" in html
    assert "measured cells of up to 20 clients on one worker, and loads of up to 40 %" in html


def test_a_measured_run_says_nothing_of_the_kind(run: RunData) -> None:
    whole = page(run)
    assert whole.notice == ""
    assert [table.name for table in whole.leading] == ["glance"]
    assert not any("simulated" in figure.title for figure in whole.figures)
    assert run.fleet == []


def test_measured_points_stand_beside_at_their_own_counts(known: RunData) -> None:
    assert simulated.counts(known, "latency_mean_ms") == (10, 20, 60)
    axes = speed.latency_by_clients(known).axes[0]
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert labels == ["10", "20", "60"]
    names = axes.get_legend_handles_labels()[1]
    assert "WebSocket, measured" in names
    assert "checked range" in names


@pytest.mark.parametrize("asked", [{"rtt_ms": 80.0}, {"up_ms": 1.0, "down_ms": 2.0}, {"workers": 4},
                                   {"jitter_ms": 1.0}])
def test_what_was_measured_on_loopback_is_not_set_beside_another_network(
    tmp_path: Path, asked: dict[str, Any]
) -> None:
    other = made(tmp_path, asked)
    assert simulated.beside(other, "latency_mean_ms") is None
    assert simulated.beside(other, "age_mean_ms") is None
    cpu = simulated.beside(other, "server_cpu_us_per_update")
    assert cpu is not None
    assert set(cpu["clients"]) == {10, 20}


OF_THE_NETWORK = (speed.LATENCY_BY_CLIENTS, speed.AGE_BY_CLIENTS)
WITH_FORMS = (*OF_THE_NETWORK, cost.SERVER_BY_CLIENTS, cost.BYTES_PER_UPDATE)


def test_a_caption_promises_only_the_marks_that_are_drawn(known: RunData, far: RunData) -> None:
    for spec in WITH_FORMS:
        assert ("Hollow marks" in spec.caption_of(known)) == (spec is not cost.BYTES_PER_UPDATE)
        assert ("Hollow marks" in spec.caption_of(far)) == (spec is cost.SERVER_BY_CLIENTS)


def test_what_is_not_simulated_has_no_column(known: RunData) -> None:
    assert not any("memory" in each or "further" in each for each in tables.glance(known).columns)


def test_a_model_that_was_not_checked_is_said_to_be_so(tmp_path: Path) -> None:
    unchecked = made(tmp_path, checked=False)
    assert simulated.UNCHECKED in simulated.notice(unchecked)
    assert simulated.UNCHECKED in speed.LATENCY_BY_CLIENTS.caption_of(unchecked)
    assert "checked range" not in speed.latency_by_clients(unchecked).axes[0].get_legend_handles_labels()[1]


def test_a_caption_says_what_a_fine_line_is(known: RunData) -> None:
    for spec in WITH_FORMS:
        assert "Fine lines: closed forms" in spec.caption_of(known)
    older = replace(known, closed_forms=None)
    assert "Dashed: closed forms of polling" in speed.LATENCY_BY_CLIENTS.caption_of(older)
    assert "closed form" not in cost.BYTES_PER_UPDATE.caption_of(older)
