"""Digests of a trial's files: a bit that has changed in any of them is noticed."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from synthetic import Plan, trial_record

from bench.errors import RunError
from bench.records import trial_record as records
from bench.records.digests import SUMS
from bench.records.trial_record import TABLES, UPLINKS


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trial's folder with all of its files."""
    folder = tmp_path_factory.mktemp("sealed")
    record, tables = trial_record(Plan(rate_per_s=10), "a", next(iter(Plan().subjects.values())), 3, 1, 1)
    for name, table in tables.items():
        records.write_table(folder, name, table)
    (folder / "logs").mkdir()
    (folder / "logs" / "server.log").write_text("listening\n")
    records.write_trial(folder, record)
    return folder


def read_all(folder: Path) -> None:
    records.read_tables(folder, records.read_trial(folder))


@pytest.mark.parametrize("name", [
    "trial.json", *(f"{table}.parquet" for table in TABLES), "logs/server.log", SUMS,
])
def test_a_bit_that_has_changed_in_any_file_of_a_trial_is_noticed(sealed: Path, name: str) -> None:
    read_all(sealed)
    path, rng = sealed / name, random.Random(name)
    whole = path.read_bytes()
    try:
        for _ in range(40):
            bit = rng.randrange(8 * len(whole))
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            with pytest.raises(RunError, match=rf"{re.escape(name)}: .*the file was changed after the trial"):
                read_all(sealed)
    finally:
        path.write_bytes(whole)


def test_a_trial_without_digests_is_read_and_so_is_one_whose_logs_or_tables_were_removed(
    sealed: Path, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    shutil.copytree(sealed, older)
    shutil.rmtree(older / "logs")
    read_all(older)
    for path in older.glob("*.parquet"):
        path.unlink()
    assert records.read_trial(older) == records.read_trial(sealed)
    (older / SUMS).unlink()
    (older / "trial.json").write_bytes((sealed / "trial.json").read_bytes() + b" ")
    assert records.read_trial(older) == records.read_trial(sealed)


@pytest.mark.process
@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum here")
def test_the_digests_are_such_as_sha256sum_reads(sealed: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS], cwd=sealed, check=True)


def test_a_trial_whose_messages_were_removed_is_not_read_as_one_whose_clients_only_listen(tmp_path: Path) -> None:
    record, tables = trial_record(Plan(rate_per_s=10), "a", next(iter(Plan().subjects.values())), 3, 1, 1)
    for name, table in {**tables, "uplinks": UPLINKS.empty_table()}.items():
        records.write_table(tmp_path, name, table)
    records.write_trial(tmp_path, record)
    read_all(tmp_path)
    (tmp_path / "uplinks.parquet").unlink()
    with pytest.raises(RunError, match=r"uplinks\.parquet: no such file"):
        read_all(tmp_path)
