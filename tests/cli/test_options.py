"""Laws of all verbs: a mistake is one sentence and status 2, an interruption status 130."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from bench import cli
from bench.cli.options import end, reported_errors, resume_hint
from bench.errors import DiskFullError, KilledError, RunError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.csv").write_text("a,b\n1,2\n")


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "80"})


@pytest.mark.parametrize("verb", [
    "run", "report", "compare", "serve", "doctor", "simulate", "calibrate", "validate", "scenarios"])
def test_every_verb_explains_itself(verb: str) -> None:
    result = tickertape(verb, "--help")
    assert result.exit_code == 0
    assert verb in tickertape("--help").stdout
    assert len(result.stdout.splitlines()) > 10
    assert f"tickertape {verb} " in result.stdout   # an example


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("run", "nosuch"), "scenarios/: nosuch: found no such scenario, allowed is a name that"),
    (("run", ""), "scenarios/: '': found no such scenario"),
    (("simulate", ""), "scenarios/: '': found no such scenario"),
    (("run", "x" * 5000), "found no such scenario"),
    (("run", "my.toml"), "my.toml: the file: found no such file"),
    (("run", "quick", "--set", "load.client=3"), "load.client: found an unknown key, allowed is clients"),
    (("run", "quick", "--feed", "no.csv", "--plan"), "no.csv"),
    (("run", "--resume", "nowhere"), "is this a run's folder"),
    (("report", "nowhere"), "is this a run's folder"),
    (("compare", "nowhere", "nowhere"), "is this a run's folder"),
    (("serve", "nosuch"), "no such scenario"),
    (("calibrate", "--scenario", ""), "scenarios/: '': found no such scenario"),
    (("calibrate", "--scenario", "x" * 5000), "found no such scenario"),
    (("simulate", "quick", "--feed", "bad.csv"), "bad.csv: column"),
    (("run", "quick", "--force"), "--force: found with a new run, where it does nothing"),
    (("run", "quick", "--plan", "--wait"), "--wait: found with --plan, where it does nothing"),
    (("run", "--resume", "x", "--results", "y"), "--results: found with --resume, where it does"),
    (("run", "quick", "--set", "simulation.rtt_ms=80.0"), "simulation.rtt_ms, which has no effect here"),
    (("run", "quick", "--feed", "x", "--set", "feed.schedule=poisson"), "--feed: found feed.replay.file"),
    (("serve", "quick", "--set", "windows.measure_s=9.0"), "windows.measure_s, which has no effect here"),
    (("simulate", "quick", "--force"), "--force: found with a new run, where it does nothing"),
    (("simulate", "--resume", "x", "--results", "y"), "--results: found with --resume, where it does"),
    (("simulate", "--resume", "x", "--seed", "0"), "none of them goes with it (found: --seed)"),
    (("simulate", "quick", "--clients", "5", "--set", "load.clients=[6]"), "found --clients together with it"),
    (("simulate", "scale/crossover", "--clients", "20_000"), "--clients: found load.clients, which has no"),
    (("simulate", "scale/crossover", "--workers", "9"), "--workers: found simulation.workers, which has no"),
    (("simulate", "scale/crossover", "--rtt", "80ms"), "--rtt: found simulation.rtt_ms, which has no effect"),
    (("simulate", "scale/crossover", "--feed", "bad.csv"), "--feed: found feed.replay.file, which has"),
    (("simulate", "scale/crossover", "--measured", "x"), "--measured: found with a storm, a map or a decision"),
    (("simulate", "scale/storm", "--rtt", "80ms"), "--rtt: found simulation.rtt_ms, which has no"),
    (("simulate", "scale/storm", "--feed", "bad.csv"), "--feed: found feed.replay.file, which has no effect"),
    (("simulate", "scale/storm", "--costs", "x"), "--costs: found together with storm.connection_ms"),
    (("simulate", "scale/storm", "--set", "transports.long_polling={}"), "transports: found 2: "),
    (("simulate", "capacity", "--clients", "50"), "--clients: found load.clients, which has no effect here"),
    (("calibrate", "x", "--wait"), "--wait: found with runs to fit to, where it does nothing"),
    (("calibrate", "--scenario", "scale/storm"), "storm: found a table that is only simulated"),
    (("calibrate", "--to", "/dev/null/x"), "the costs file: found a file, /dev/null"),
    (("calibrate", "--to", "."), "the costs file: found a folder"),
    (("validate", "x", "--results", "y"), "--results: found with a validation to judge again"),
    (("validate", "x", "--resume", "y"), "none of them goes with it (found: VALIDATION)"),
    (("validate", "--force"), "--force: found without --resume, where it does nothing"),
])
def test_a_mistake_is_one_sentence_and_status_2(arguments: tuple[str, ...], sentence: str) -> None:
    result = tickertape(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert not Path("results").exists()


@pytest.mark.parametrize(("error", "status"), [
    (RunError("a run"), 2), (DiskFullError("a disk"), 1), (KeyboardInterrupt(), 130),
    (PermissionError(13, "Permission denied", "results/x"), 2), (MemoryError(), 2),
    (OSError(24, "Too many open files"), 2),
])
def test_what_ends_a_command_is_a_status(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught, reported_errors():
        raise error
    assert caught.value.exit_code == status
    assert capsys.readouterr().err.count("\n") == 1


def test_an_interrupted_command_ends_with_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, reported_errors(), resume_hint("tickertape x"):
        raise KeyboardInterrupt
    assert caught.value.exit_code == 130
    assert capsys.readouterr().err == "\nInterrupted. To go on: tickertape x\n"


def test_what_a_command_lacks_is_its_last_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    for lacks, status in ((None, 0), ("1 of 9 places has no valid trial", 1)):
        with pytest.raises(typer.Exit) as caught:
            end(lacks)
        assert caught.value.exit_code == status
    assert capsys.readouterr().err == "1 of 9 places has no valid trial\n"


def test_what_nobody_could_mend_keeps_its_traceback() -> None:
    with pytest.raises(OSError, match="a bug"), reported_errors():
        raise OSError("a bug")


INTERRUPTED_IMPORT = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "bench.cli.run":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from bench.cli import main
main()
"""


@pytest.mark.process
def test_an_interruption_before_a_command_begins_shows_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")   # 130 in a shell


ENDED = """
import atexit
class Finalised:
    def __del__(self):
        print("finalised")
left = Finalised()
atexit.register(print, "put off")
from bench.cli import main
main()
"""


@pytest.mark.process
@pytest.mark.parametrize(("words", "status"), [(["--help"], 0), (["report", "nowhere"], 2)])
def test_a_command_ends_with_its_status_before_threads_of_libraries_can_spoil_it(
    words: list[str], status: int
) -> None:
    """Arrow's idle threads abort an interpreter that finalises, now and then; what was put off is done."""
    done = subprocess.run([sys.executable, "-c", ENDED, *words], capture_output=True, text=True)
    assert done.returncode == status
    assert done.stdout.splitlines()[-1] == "put off"


def test_sigterm_is_an_interruption_at_any_time() -> None:
    with pytest.raises(typer.Exit) as caught, reported_errors():
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.exit_code == 130
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_results_folder_has_a_name() -> None:
    result = tickertape("simulate", "quick", "--results", "")
    assert result.exit_code == 2
    assert "--results" in result.stderr
    assert list(Path().iterdir()) == [Path("bad.csv")]


def test_a_run_whose_helper_was_killed_says_how_it_goes_on() -> None:
    with pytest.raises(KilledError, match="it is gone; to go on: tickertape simulate --resume here"), \
            resume_hint("tickertape simulate --resume here"):
        raise KilledError("it is gone")


def installed(words: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    """Return the installed command, in a shell."""
    script = f"exec {sys.executable} -c 'from bench.cli import main; main()' {words}"
    return subprocess.run(["bash", "-c", script], stderr=subprocess.PIPE, text=True, **streams)


@pytest.mark.process
def test_a_disk_without_room_for_what_is_printed_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = installed("--help", stdout=full)
    assert (done.returncode, done.stderr) == (1, "stdout: can't be written (No space left on device)\n")


@pytest.mark.process
@pytest.mark.parametrize(("words", "sentence"), [
    ("report nowhere >&-", "stdout: found it closed, allowed is an open one (> /dev/null, to discard"),
    ("--nosuch", "tickertape: No such option: --nosuch (see `tickertape --help`)"),
])
def test_a_plain_mistake_of_the_shells_is_one_sentence_and_status_2(words: str, sentence: str) -> None:
    done = installed(words, stdout=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1
    assert not done.stdout


@pytest.mark.process
def test_a_closed_stderr_is_no_mistake() -> None:
    done = installed("--help <&- 2>&-", stdout=subprocess.PIPE)
    assert done.returncode == 0
    assert "calibrate" in done.stdout


@pytest.mark.process
def test_a_reader_who_has_gone_ends_a_command_without_a_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = installed("run quick --plan", stdout=pipe)
    assert (done.returncode, done.stderr) == (1, "stdout: can't be written (its reader has ended)\n")
