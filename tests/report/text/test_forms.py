"""Closed forms come from a simulated run's own table, and else from its push transport."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from simulated_runs import made

from bench.report import RunData
from bench.report.data import measured_forms
from bench.report.data.run import shown_clients
from bench.report.tables import run as tables
from bench.report.text import forms
from bench.report.text.findings import findings


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    return made(tmp_path_factory.mktemp("runs"))


def test_a_run_without_a_table_has_what_a_push_says(run: RunData, known: RunData) -> None:
    assert forms.predicted(run) == measured_forms.predicted(run)
    older = replace(known, closed_forms=None)
    assert forms.predicted(older) == measured_forms.predicted(older) != []
    assert math.isnan(forms.full(older, "short_polling"))


def test_every_quantity_stands_beside_what_was_simulated(known: RunData) -> None:
    found = {(each.figure, each.transport, each.clients): each for each in forms.predicted(known)}
    assert {figure for figure, *_ in found} == set(forms.NOUNS)
    assert {transport for _, transport, _ in found} == {"short_polling"}   # an infinite form is none
    rows = known.summary.set_index(["transport", "clients"]).loc[("short_polling", 20)]
    assert found["latency_mean_ms", "short_polling", 20].predicted == 500.0
    assert found["latency_mean_ms", "short_polling", 20].measured == rows["latency_mean_ms"]
    assert found["missed_share", "short_polling", 20].measured == (
        rows["conflated"] + rows["lost"]) / rows["updates_due"]
    age = found["age_mean_ms", "short_polling", 20]
    assert age.measured - age.predicted == pytest.approx(rows["age_excess_mean_ms"] - 400.0)
    need = next(need for need in known.fleet if (need.transport, need.clients) == ("short_polling", 20))
    assert found["server_load", "short_polling", 20].measured == need.load_simulated
    assert found["sockets", "short_polling", 20].measured == need.sockets


def test_a_workers_load_goes_on_to_where_it_is_full(known: RunData) -> None:
    assert forms.load_curve(known, "short_polling")["clients"].tolist() == [20, 60, 700, 5000]
    assert forms.full(known, "short_polling") == 5000
    assert math.isnan(forms.full(known, "websocket"))


@pytest.mark.parametrize(("figure", "predicted", "measured", "words"), [
    ("latency_mean_ms", 500.0, 450.0, ("450 ms", "500 ms", "−10.0 %")),
    ("missed_share", 0.02, 0.05, ("5.00 %", "2.00 %", "+3.0 points")),
    ("server_load", 0.5, 0.55, ("55.0 % of a core", "50.0 % of a core", "+10.0 %")),
    ("requests_per_update", 0.0, 0.0, ("0", "0", "–")),
])
def test_a_form_and_its_figure_are_read_with_units_and_their_difference(
    figure: str, predicted: float, measured: float, words: tuple[str, ...]
) -> None:
    assert forms.words(measured_forms.Predicted("short_polling", 20, figure, predicted, measured)) == words


def test_what_is_far_from_its_form_says_so(known: RunData) -> None:
    rows = known.summary.set_index(["transport", "clients"])["age_excess_mean_ms"]
    form = 400.0   # of 20 clients, in the table
    off = rows["short_polling", 20] / form - 1
    assert abs(off) > 0.2
    (each,) = forms.apart(known, "age_excess_mean_ms", 20)
    assert forms.separated_text(each) == (
        f"Short polling's mean excess age: {100 * abs(off):.0f} % {'below' if off < 0 else 'above'} the "
        "closed form, 400 ms.")
    finding = next(each for each in findings(known) if each.question.column == "age_excess_mean_ms")
    far = forms.apart(known, "age_excess_mean_ms", shown_clients(known))
    assert finding.headline == " ".join((finding.lead, *map(forms.separated_text, far)))
    near = measured_forms.Predicted("short_polling", 20, "age_excess_mean_ms", 400.0, 470.0)
    monkeyed = [near, replace(near, measured=490.0), replace(near, predicted=0.0)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms, "predicted", lambda run: monkeyed)
        assert forms.apart(known, "age_excess_mean_ms", 20) == monkeyed[1:2]


def test_a_form_that_hangs_on_the_pushs_way_is_not_held_against_a_measured_figure(known: RunData) -> None:
    measured = replace(known, closed_forms=None)
    way_ms = measured_forms.push_delay_ms(measured, 20)
    assert way_ms > 0
    exchange = measured_forms.Predicted("long_polling", 20, "age_excess_mean_ms", 2 * way_ms, 8 * way_ms)
    poll = measured_forms.Predicted("short_polling", 20, "age_excess_mean_ms", 20 * way_ms, 40 * way_ms)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms, "predicted", lambda run: [exchange, poll])
        assert forms.apart(measured, "age_excess_mean_ms", 20) == [poll]
        assert forms.apart(known, "age_excess_mean_ms", 20) == [exchange, poll]


def test_the_table_says_where_the_forms_are_from(known: RunData) -> None:
    table, older = (next(each for each in tables.sections(run) if each.name == "closed-forms")
                    for run in (known, replace(known, closed_forms=None)))
    assert table.heading == older.heading == "Simulated against the closed forms"
    assert "costs and the network of the simulation" in table.note
    assert "WebSocket's mean latency" in older.note
    assert ("sockets", "20", "short polling", "20.0", "20.0", "+0.0 %") in table.rows
