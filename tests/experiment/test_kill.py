"""Whatever happens to a runner, nothing that it started goes on: killed, interrupted or crashed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.process

RUNNER = """
import sys
from pathlib import Path
from bench.experiment.trial.processes import Command, TrialProcesses
OWN = '''
from bench.lifeline import Lifeline
line = Lifeline.from_environment()
line.send({"ready": {}})
line.receive()
'''
FOREIGN = "sleep 300 & setsid sleep 301 & (sleep 302 & ) ; wait"
print("stage", flush=True)
with TrialProcesses(Path(sys.argv[1])) as crew:
    own = [crew.start(Command(f"own{n}", (sys.executable, "-c", OWN))) for n in range(2)]
    print("stage", flush=True)
    foreign = crew.start(Command("foreign", ("sh", "-c", FOREIGN), lifeline=False))
    print("stage", flush=True)
    for child in own:
        crew.expect(child, "ready", 60)
    print("stage", flush=True)
    if sys.argv[2] == "crash":
        raise RuntimeError("a bug")
    crew.wait(lambda: False, 300, "the end")
"""


def runner(tmp_path: Path, mark: Any, how: str = "") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(tmp_path), how], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, **mark.environment}, start_new_session=True,
    )


def at_stage(process: subprocess.Popen[bytes], stage: int) -> None:
    assert process.stdout is not None
    for _ in range(stage):
        assert process.stdout.readline() == b"stage\n"


@pytest.mark.parametrize("stage", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_runner_that_is_ended_at_any_stage_leaves_no_process(
    tmp_path: Path, mark: Any, stage: int, number: signal.Signals
) -> None:
    process = runner(tmp_path, mark)
    at_stage(process, stage)
    process.send_signal(number)
    process.wait(timeout=60)
    assert mark.left_after() == []


def test_a_runner_that_is_killed_at_any_instant_leaves_no_process(tmp_path: Path, mark: Any) -> None:
    rng = random.Random(1)
    for _ in range(12):
        process = runner(tmp_path, mark)
        at_stage(process, 1)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.wait(timeout=60)
        assert mark.left_after() == []


def test_a_runner_that_crashes_leaves_no_process(tmp_path: Path, mark: Any) -> None:
    process = runner(tmp_path, mark, "crash")
    assert process.wait(timeout=60) == 1
    assert mark.left_after() == []


def test_a_guard_that_is_killed_takes_our_own_processes_with_it(tmp_path: Path, mark: Any) -> None:
    process = runner(tmp_path, mark)
    at_stage(process, 4)
    guards = [each for each in mark.alive() if "guard.py" in " ".join(each.cmdline())]
    assert len(guards) == 3
    own = [child for each in guards if sys.executable in each.cmdline()[-3:] for child in each.children()]
    assert len(own) == 2
    for each in guards:
        each.kill()
    deadline = time.monotonic() + 20
    while any(each.is_running() for each in own):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
