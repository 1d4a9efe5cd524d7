"""A measured cell is set beside a simulated one of the same shape, and nothing else."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from priced import priced
from synthetic import Plan, make_run

from bench.errors import RunError
from bench.experiment import plan
from bench.records import manifest
from bench.records.trial_record import read_json, seal, write_json
from bench.scenario.model import Scenario
from bench.simulation import baseline
from bench.stats.run.prediction import COLUMNS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "measured", raw=False)


def asked(run: Path, **changed: dict[str, object]) -> Scenario:
    data = manifest.read(run).scenario.canonical()
    for table, fields in changed.items():
        data[table] = {**data[table], **fields}
    return Scenario.model_validate(data)


def found(run: Path, scenario: Scenario) -> baseline.Baseline:
    return baseline.measured(run, scenario, plan.options_of_all(scenario, "my.toml"))


def test_cells_of_the_same_shape_whatever_the_clients(run: Path) -> None:
    same = found(run, asked(run, load={"clients": [1_000_000]}, windows={"measure_s": 9.0}))
    assert same.cells is not None
    assert set(same.cells["transport"]) == {"short_polling", "long_polling", "websocket"}
    assert set(same.cells["clients"]) == {10, 30}
    assert same.about is not None
    assert same.about.run == "measured"
    assert same.about.memory_bytes_per_client["websocket"] == pytest.approx(300_000, rel=0.3)


@pytest.mark.parametrize(("changed", "why"), [
    ({"feed": {"rate_per_s": 11.0}}, "feed.rate_per_s is 40"),
    ({"load": {"mode": "latest"}}, "load.mode is every there and latest here"),
    ({"feed": {"schedule": "bursty"}}, "feed.schedule"),
    ({"feed": {"source": "clients"}}, "feed.source is publisher there and clients here"),
    ({"server": {"batch_max": 3}}, "server is"),
])
def test_cells_of_another_shape_are_not_set_beside(
    run: Path, changed: dict[str, dict[str, object]], why: str
) -> None:
    other = found(run, asked(run, **changed))
    assert other.cells is None
    assert why in other.notes[0]
    assert other.about is not None
    assert other.about.memory_bytes_per_client   # it hardly depends on the feed


def test_a_transport_with_other_options_has_nothing_beside(run: Path) -> None:
    other = asked(run, transports={"short_polling": {"transport": "short_polling", "interval_s": 0.123}})
    cells = found(run, other).cells
    assert cells is not None
    assert set(cells["transport"]) == {"long_polling", "websocket"}


def test_a_simulated_run_was_not_measured(tmp_path: Path) -> None:
    run = make_run(tmp_path / "measured", Plan(trials=1, clients=(2,)))
    for path in run.glob("trials/*/trial.json"):
        write_json(path, {**read_json(path), "source": "simulated"})
        seal(path.parent, path.read_bytes())
    with pytest.raises(RunError, match="allowed is a measured one"):
        found(run, asked(run))


def test_a_validation_is_that_of_the_same_host(tmp_path: Path) -> None:
    (tmp_path / "20261101T000000Z-validation").mkdir()
    newest = tmp_path / "20261102T000000Z-validation" / "validation.csv"
    newest.parent.mkdir()
    copied = tmp_path / "20261103T000000Z-million"
    (copied / "trials").mkdir(parents=True)
    for path in (newest, newest.parents[1] / "20261101T000000Z-validation" / "validation.csv",
                 copied / "validation.csv"):
        row: dict[str, object] = dict.fromkeys(COLUMNS, 1.0) | {"transport": path.parent.name}
        pd.DataFrame([row]).to_csv(path, index=False)
    here = replace(priced(), host_name=platform.node())
    checked = baseline.validation(tmp_path, here)
    assert checked is not None
    assert checked["transport"].tolist() == [newest.parent.name]
    assert baseline.validation(tmp_path, priced()) is None
    baseline.write(copied, baseline.Baseline(pd.DataFrame({"transport": ["a"]})), checked)
    assert pd.read_csv(copied / "measured.csv")["transport"].tolist() == ["a"]
    assert list(pd.read_csv(copied / "validation.csv").columns) == list(COLUMNS)


@pytest.mark.parametrize(("text", "sentence"), [
    ("transport,clients\na,1\n", "validation.csv: column load: found none"),
    ('"', "validation.csv: can't be read"),
    (",".join(COLUMNS) + "\na,many,0.1,x,1,1,0,0,0,0.1,yes\n", "column clients: found 'many', allowed are"),
])
def test_a_damaged_validation_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "20261101T000000Z-validation" / "validation.csv"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(RunError, match=sentence):
        baseline.validation(tmp_path, replace(priced(), host_name=platform.node()))
