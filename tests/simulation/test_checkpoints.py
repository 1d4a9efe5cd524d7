"""Results stay in the run's folder as they end, over processes or not, and none is made twice."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from bench.simulation import checkpoints
from bench.simulation.checkpoints import Result


def result(number: int) -> Result:
    """Return plain data that comes back as it was: figures that JSON has no word for, too."""
    if number < 0:
        raise KeyboardInterrupt
    return {"number": number, "third": number / 3, "never": math.inf, "nothing": [math.nan]}


def tasks(*numbers: int) -> dict[str, partial[Result]]:
    return {f"result-{abs(number)}": partial(result, number) for number in numbers}


def test_what_had_ended_before_an_interruption_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        checkpoints.make(tmp_path, tasks(1, 2, -3, 4), processes=1)
    assert checkpoints.missing(tmp_path, tasks(1, 2, 3, 4)) == ["result-3", "result-4"]
    done: list[int] = []
    whole = checkpoints.make(tmp_path, tasks(-1, -2, 3, 4), lambda: done.append(1), processes=1)
    # -1 would raise
    assert len(done) == 2
    assert [each["number"] for each in whole.values()] == [1, 2, 3, 4]
    assert [each["third"] for each in whole.values()] == [number / 3 for number in (1, 2, 3, 4)]
    assert whole["result-1"]["never"] == math.inf
    assert math.isnan(whole["result-4"]["nothing"][0])


@pytest.mark.process
def test_two_processes_leave_the_same_files(tmp_path: Path) -> None:
    for processes in (1, 2):
        checkpoints.make(_folder(tmp_path, processes), tasks(*range(1, 8)), processes=processes)
    one, two = (sorted((tmp_path / str(processes) / "checkpoints").iterdir()) for processes in (1, 2))
    assert [path.name for path in one] == [path.name for path in two]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


@pytest.mark.parametrize("damage", [
    lambda text: "{", lambda text: text[: len(text) // 2], lambda text: '{"schema_version": 2, "row": {}}',
    lambda text: text.replace("0.33", "0.34"),
])
def test_a_damaged_result_is_made_again(tmp_path: Path, damage: Callable[[str], str]) -> None:
    checkpoints.make(tmp_path, tasks(1, 2), processes=1)
    path = tmp_path / "checkpoints" / "result-1.json"
    whole = path.read_text()
    path.write_text(damage(whole))
    assert checkpoints.missing(tmp_path, tasks(1, 2)) == ["result-1"]
    checkpoints.make(tmp_path, tasks(1, -2), processes=1)   # -2 would raise
    assert path.read_text() == whole


def _folder(parent: Path, processes: int) -> Path:
    folder = parent / str(processes)
    folder.mkdir()
    return folder
