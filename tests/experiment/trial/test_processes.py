"""The runner's view of its processes, with small substitutes that speak over a real lifeline."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.errors import TrialError
from bench.experiment.trial.processes import Child, Command, TrialProcesses

pytestmark = pytest.mark.process

ECHO = """
import sys
from bench.lifeline import Lifeline
line = Lifeline.from_environment()
print("up", flush=True)
line.send({"ready": {"port": 7}})
while (message := line.receive()) is not None:
    if "stop" in message:
        line.send({"done": {"stopped": True}})
        break
    if "fall" in message:
        line.send({"last": "words"})
        raise SystemExit("oh no")
    line.send({"heard": message})
"""
SILENT = "import time; print('nothing to say', flush=True); time.sleep(300)"


@pytest.fixture
def trial_processes(tmp_path: Path) -> Iterator[TrialProcesses]:
    with TrialProcesses(tmp_path / "logs") as trial_processes:
        yield trial_processes


def python(name: str, script: str, **more: object) -> Command:
    return Command(name, (sys.executable, "-c", script), **more)   # type: ignore[arg-type]


def started(trial_processes: TrialProcesses, name: str, script: str = ECHO) -> Child:
    child = trial_processes.start(python(name, script))
    trial_processes.wait(lambda: child.pid is not None, 20, "the process id")
    return child


def test_messages_go_both_ways(trial_processes: TrialProcesses) -> None:
    child = trial_processes.start(python("server", ECHO))
    assert trial_processes.expect(child, "ready", 20) == {"port": 7}
    child.send({"one": 1})
    assert trial_processes.expect(child, "heard", 20) == {"one": 1}


def test_the_process_id_is_the_commands(trial_processes: TrialProcesses) -> None:
    child = started(trial_processes, "server")
    assert child.pid is not None
    assert child.pid != child.guard.pid
    assert psutil.Process(child.pid).ppid() == child.guard.pid


def test_a_stopped_process_says_its_last_words(trial_processes: TrialProcesses) -> None:
    child = started(trial_processes, "server")
    trial_processes.expect(child, "ready", 20)
    assert trial_processes.stop(child) == {"stopped": True}
    assert child.status == 0
    assert trial_processes.fallen() == []


def test_a_foreign_process_is_stopped_by_a_signal(trial_processes: TrialProcesses) -> None:
    child = trial_processes.start(python("server", SILENT, lifeline=False))
    trial_processes.wait(lambda: child.pid is not None, 20, "the process id")
    assert trial_processes.stop(child) == {}
    assert child.status == 143


def test_a_foreign_process_that_has_just_ended_by_itself_needs_no_signal(trial_processes: TrialProcesses) -> None:
    child = trial_processes.start(python("server", SILENT, lifeline=False))
    trial_processes.wait(lambda: child.pid is not None, 20, "the process id")
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.guard.wait()   # by now there is no such process, and its end has not been read
    assert child.status is None
    assert trial_processes.stop(child) == {}
    assert child.status == 137


def test_one_that_does_not_stop_is_killed(trial_processes: TrialProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.experiment.trial.processes.GRACE_S", 0.3)
    child = started(trial_processes, "server", SILENT)
    trial_processes.stop(child)
    assert child.status == 137


def test_the_fall_of_one_is_noticed_while_another_is_waited_for(trial_processes: TrialProcesses) -> None:
    waited, falling = started(trial_processes, "load", SILENT), started(trial_processes, "server")
    falling.send({"fall": {}})
    with pytest.raises(TrialError, match="the server ended by itself with status 1") as failure:
        trial_processes.expect(waited, "settled", 60)
    assert failure.value.reason == "server-died"
    assert falling.tail().endswith("oh no")


def test_a_foreign_command_that_does_not_exist(trial_processes: TrialProcesses) -> None:
    child = trial_processes.start(Command("server", ("/no/such/command",), lifeline=False))
    with pytest.raises(TrialError, match="the server ended by itself with status 127"):
        trial_processes.wait(lambda: child.pid is not None, 20, "the process id")
    assert "/no/such/command: No such file" in child.tail()


def test_a_process_may_say_why_it_failed(trial_processes: TrialProcesses) -> None:
    failing = ECHO.replace('{"ready": {"port": 7}}', '{"failed": {"reason": "x", "detail": "because"}}')
    child = started(trial_processes, "load", failing)
    with pytest.raises(TrialError, match="because") as failure:
        trial_processes.expect(child, "subscribed", 20)
    assert failure.value.reason == "x"


def test_a_fall_can_be_mended_instead(trial_processes: TrialProcesses) -> None:
    falling, waited = started(trial_processes, "publisher"), started(trial_processes, "load", SILENT)
    mended: list[Child] = []
    trial_processes.on_fall["publisher"] = lambda: mended.append(started(trial_processes, "publisher"))
    falling.send({"fall": {}})
    trial_processes.wait(lambda: bool(mended), 20, "the mending")
    assert trial_processes.expect(mended[0], "ready", 20) == {"port": 7}
    assert waited.status is None


def test_sleeping_ends_at_the_instant_or_with_a_fall(trial_processes: TrialProcesses) -> None:
    child = started(trial_processes, "server")
    instant_ns = time.monotonic_ns() + 20_000_000
    trial_processes.sleep_until(instant_ns)
    assert time.monotonic_ns() >= instant_ns
    child.send({"fall": {}})
    with pytest.raises(TrialError, match="ended by itself"):
        trial_processes.sleep_until(time.monotonic_ns() + 60_000_000_000)


def test_last_words_count_although_the_process_has_ended(trial_processes: TrialProcesses) -> None:
    child = started(trial_processes, "server")
    child.send({"fall": {}})
    assert trial_processes.expect(child, "last", 20) == "words"


def test_a_message_that_does_not_come(trial_processes: TrialProcesses) -> None:
    child = started(trial_processes, "load", SILENT)
    with pytest.raises(TrialError, match="'ready' of the load did not come within") as failure:
        trial_processes.expect(child, "ready", 0.2)
    assert failure.value.reason == "load-timeout"


def test_leaving_ends_every_process_that_was_started(tmp_path: Path) -> None:
    with TrialProcesses(tmp_path) as trial_processes:
        pids = [started(trial_processes, name, script).pid for name, script in (("a", ECHO), ("b", SILENT))]
    assert not any(psutil.pid_exists(pid) for pid in pids if pid is not None)


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    before = psutil.Process().num_fds()
    with TrialProcesses(tmp_path) as trial_processes:
        started(trial_processes, "server")
    assert psutil.Process().num_fds() == before


def test_a_command_runs_where_it_is_told_with_what_it_is_given(trial_processes: TrialProcesses, tmp_path: Path) -> None:
    script = "import os; print(os.getcwd(), os.environ['X'])"
    child = trial_processes.start(python("server", script, folder=tmp_path, environment={"X": "y"}, lifeline=False))
    trial_processes.wait(lambda: child.status is not None or bool(trial_processes.fallen()), 20, "the end")
    assert child.tail() == f"{tmp_path} y"
