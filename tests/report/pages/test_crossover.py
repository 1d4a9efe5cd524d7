"""The report of a map: sentences follow from the tables, checks are listed with the forms."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import scaled
from documented import described
from manifests import changed, manifest_of
from priced import priced, priced_file

from bench.errors import RunError
from bench.records import manifest
from bench.report.data.table_files import write_tables
from bench.report.pages import crossover
from bench.simulation.crossover.crossover_study import CrossoverStudy
from bench.simulation.run import about_costs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a small map."""
    made = tmp_path_factory.mktemp("run")
    asked = scaled.crossover(
        made, "simulation.prices={currency='EUR', worker_month=20.0, gigabyte_out=0.01}",
        "crossover.rates_per_s=[0.1, 20.0]", "crossover.clients=[100, 100_000]",
        "crossover.staleness_ms=[250.0, 5000.0]", "crossover.checked=1")
    study = CrossoverStudy.of(asked.scenario, asked.options, priced())
    fields = study.fields()
    checks = {name: task() for name, task in study.tasks(study.chosen(fields)).items()}
    write_tables(made, {
        "crossover.csv": study.table(fields), "crossover_checks.csv": study.checks(checks)})
    manifest.write(made, manifest_of(
        asked.scenario, source="simulated", costs=about_costs(priced_file(made), priced())))
    return made


def test_the_report_says_whose_costs_and_prices_and_what_follows(folder: Path) -> None:
    run = crossover.build(folder)
    markdown = (folder / "report.md").read_text()
    assert "not measured, with costs measured on nowhere (Imagined 3000, 2 cores)" in markdown
    assert "20 EUR per month for a worker" in markdown
    assert "For 100,000 clients, 40 ms away, who must have each update within 0.25 s, the cheap" in markdown
    assert "3 workers of the map were simulated as well" in markdown
    assert "closed form / engine" in markdown
    assert run.unit == "EUR per month"
    for name in ("cheapest", "freshest", "lines"):
        assert (folder / "figures" / f"{name}.svg").is_file()


def test_the_same_files_give_the_same_bytes(folder: Path) -> None:
    crossover.build(folder)
    before = (folder / "report.html").read_bytes()
    crossover.build(folder)
    assert (folder / "report.html").read_bytes() == before


def test_shares_add_up_to_the_fields(folder: Path) -> None:
    run = crossover.open_crossover(folder)
    for asked, expected in (("cheapest", 2 * 2 * 2), ("freshest", 2 * 2)):
        found = crossover.shares(run, asked)
        answers = sum(found.alone.values()) + found.ties + found.nobody + found.open
        assert found.fields == expected == answers


def stretch(*best: tuple[str, ...]) -> pd.DataFrame:
    """Return fields along the rate, with who is best in each."""
    names = ("short_polling", "websocket")
    return pd.DataFrame([
        {"rate_per_s": 10.0**place, "transport": name, "best": name in won, "known": "open" not in won}
        for place, won in enumerate(best) for name in names])


@pytest.mark.parametrize(("best", "text"), [
    ((("websocket",), ("websocket",)), "WebSocket at any rate"),
    ((("websocket",), ("websocket", "open")),
     "WebSocket up to 1 update per second, not known from 10 on"),
    ((("websocket",), ("short_polling",)), "WebSocket up to 1 update per second, short polling from 10 on"),
    ((("websocket",), ("websocket",), ("short_polling", "websocket"), ()),
     "WebSocket up to 10 updates per second, short polling and WebSocket (a tie) at 100, no transport from 1000 on"),
])
def test_where_it_turns_is_a_sentence(best: tuple[tuple[str, ...], ...], text: str) -> None:
    assert crossover._turns(stretch(*best)) == text


def test_what_the_costs_leave_open_is_nobody_s(folder: Path) -> None:
    run = crossover.open_crossover(folder)
    assert crossover.shares(run, "cheapest").open == 0   # these costs have no intervals
    unknown = replace(run, table=run.table.assign(known=False))
    found = crossover.shares(unknown, "cheapest")
    assert (sum(found.alone.values()), found.ties, found.nobody, found.open) == (0, 0, 0, found.fields)
    assert any("is not known in" in each for each in crossover.findings(unknown))
    assert any(each.endswith("nowhere the cheapest alone, as far as the costs tell.")
               for each in crossover.findings(unknown))
    assert crossover.headline(unknown, "cheapest").endswith(": open in 100 % of fields")


def test_one_field_of_many_is_not_none_in_the_headline(folder: Path) -> None:
    run = crossover.open_crossover(folder)
    many = pd.concat([run.table.assign(rate_per_s=(1 + number) * run.table["rate_per_s"]) for number in range(60)],
                     ignore_index=True)
    axes = ["asked", "rate_per_s", "clients", "rtt_ms", "staleness_ms"]
    first = many[many["asked"] == "cheapest"].iloc[0]
    many.loc[(many[axes] == first[axes]).all(axis=1), "known"] = False
    one = replace(run, table=many)
    assert crossover.shares(one, "cheapest").open == 1
    assert crossover.headline(one, "cheapest").endswith(", open in < 1 %")


def test_a_map_that_was_changed_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in (*crossover.FILES, "manifest.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    table = pd.read_csv(folder / "crossover.csv")
    for spoilt, sentence in (
        (table.drop(columns="known"), "column known: found none"),
        (table.head(0), "found no rows, allowed is one or more"),
        (table.astype({"clients": object}).assign(clients="many"), "column clients: found 'many', allowed are numbers"),
    ):
        write_tables(tmp_path, {"crossover.csv": spoilt})
        with pytest.raises(RunError, match=rf"crossover\.csv: {sentence}.*; `tickertape simulate --resume"):
            crossover.build(tmp_path)


def test_a_map_in_which_nobody_keeps_the_budget_has_no_lines(folder: Path) -> None:
    run = crossover.open_crossover(folder)
    nobody = run.table.assign(possible=False, best=False, alone=False, ahead=math.nan, cores=math.nan,
                              price_month=math.nan, least=math.inf, most=math.inf, known=True)
    page = crossover.page(replace(run, table=nobody))
    assert [figure.name for figure in page.figures] == ["cheapest", "freshest"]
    assert any("no transport at any rate" in sentence for sentence in page.summary)


def billed(run: crossover.CrossoverRun, **prices: float) -> crossover.CrossoverRun:
    """Return the map with other prices."""
    return replace(run, manifest=changed(run.manifest, simulation={"prices": {
        "worker_month": 0.0, "gigabyte_out": 0.0, **prices}}))


def test_each_price_is_named_and_only_traffic_is_called_traffic(folder: Path) -> None:
    run = crossover.open_crossover(folder)
    notice = crossover._notice(billed(run, gigabyte_out=0.01, million_requests=0.4))
    assert "Prices are the scenario's: 0.01 EUR for a gigabyte to the clients and 0.4 EUR for 10⁶ requests." in notice
    paid = pd.DataFrame({"bytes_down_per_s": [1e6], "price_month": [100.0]})   # 2628 gigabytes in a month
    for prices, findings in (
            ({"worker_month": 1.0, "gigabyte_out": 0.01}, ["Half of the cheapest pay 26 % or more of their price for "
             "traffic; with simulation.prices.gigabyte_out = 0 the map is one of workers alone."]),
            ({"million_requests": 1.0, "gigabyte_out": 0.01},
             ["Half of the cheapest pay 26 % or more of their price for traffic."]),
            ({"million_requests": 1.0}, [])):
        assert crossover._traffic(billed(run, **prices).prices, paid) == findings
    assert crossover._traffic(run.prices, paid.head(0)) == []


def test_a_tie_is_also_what_the_margin_makes_one(folder: Path) -> None:
    run = crossover.open_crossover(folder)
    tied = replace(run, table=run.table.assign(best=True, alone=False, known=True))
    assert any("they are within 10 % of each other, or costs and model" in each for each in crossover.findings(tied))


def test_a_missing_table_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes((folder / "manifest.json").read_bytes())
    with pytest.raises(RunError, match=r"crossover\.csv: no such file"):
        crossover.build(tmp_path)


@pytest.mark.parametrize("name", crossover.FILES)
def test_a_table_has_every_column_and_the_document_has_them(folder: Path, name: str) -> None:
    written = pd.read_csv(folder / name).columns
    assert sorted(crossover.FILES[name]) == sorted(described(name)) == sorted(written)
