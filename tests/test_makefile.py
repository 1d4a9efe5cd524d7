"""The Makefile: what a target hands to the program, without running it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
NAMES = ["trades (1).csv", "a&b;c.csv", "it's.csv", 'say "x".csv', "5$x`y`.csv", "-a,b.csv", "ä|<?>.csv"]
"""Texts that a shell, or make, would take apart."""

pytestmark = [
    pytest.mark.process, pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed here")]


def handed(*arguments: str) -> list[str]:
    """Return the words that the target's last command consists of."""
    done = subprocess.run(["make", "-n", "-o", ".venv/.run", "-o", ".venv/.tox", *arguments], cwd=PROJECT,
                          capture_output=True, text=True, check=True)
    return shlex.split(done.stdout.splitlines()[-1])[1:]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The Makefile with a program in the place of tickertape, already set up."""
    version = subprocess.check_output(["make", "--version"], text=True).split("\n")[0]
    if re.search(r" (3\.|4\.[01])", version):
        pytest.skip(f"{version} can't read a file, and ends with its own last line")
    shutil.copy(PROJECT / "Makefile", tmp_path)
    (tmp_path / ".ci").mkdir()
    shutil.copy(PROJECT / ".ci" / "recipe.sh", tmp_path / ".ci")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def made(project: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return `make` with a program of these lines of shell; both streams together."""
    path = project / ".venv" / "bin" / "tickertape"
    path.write_text(f"#!/bin/sh\n{program}\n")
    path.chmod(0o755)
    command = ["make", "-o", ".venv/.run", "-o", ".venv/.tox", *arguments]
    environment = {**os.environ, "TMPDIR": str(project / "tmp")}
    return subprocess.run(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=environment)


@pytest.mark.parametrize(("program", "target", "why"), [
    ("echo a report; echo '1 of 9 places: $(x), #2' > $TICKERTAPE_REASON; exit 1", "bench",
     "*** 1 of 9 places: $(x), #2.  Stop."),
    ("kill -9 $$", "report", "*** .venv/bin/tickertape report results/latest"),
    ("exit 3", "doctor", "ended with status 3; the lines above say why.  Stop."),
    ("exit 0", "test", "ended with status 127; the lines above say why.  Stop."),
])
def test_the_last_line_of_a_target_that_fails_says_why(
    project: Path, program: str, target: str, why: str
) -> None:
    done = made(project, program, target)
    assert done.returncode == 2
    assert why in done.stdout.splitlines()[-1]
    assert list((project / "tmp").iterdir()) == []


def test_nothing_follows_a_line_that_failed(project: Path) -> None:
    done = made(project, "exit 3", "doctor", "calibrate", "clean")
    assert done.returncode == 2
    assert "calibrate" not in done.stdout
    assert (project / ".venv").exists()


def test_what_fails_while_it_is_set_up_says_so_and_leaves_nothing_that_looks_done(project: Path) -> None:
    (project / "requirements").mkdir()
    (project / "requirements" / "run.txt").touch()
    (project / "pyproject.toml").touch()
    python = project / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\necho no network; exit 1\n")
    python.chmod(0o755)
    done = subprocess.run(["make", "bench"], cwd=project, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("ended with status 1; the lines above say why.  Stop.")
    assert not (project / ".venv" / ".run").exists()
    alone = subprocess.run(["make", ".venv/.run"], cwd=project, capture_output=True, text=True)
    assert alone.returncode == 2


def test_a_target_that_holds_ends_with_0_and_no_word_more(project: Path) -> None:
    done = made(project, "echo all is well", "report")
    assert (done.returncode, done.stdout.splitlines()[1:]) == (0, ["all is well"])
    assert list((project / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stays_one_word_whatever_is_in_it(name: str) -> None:
    assert handed("plan", f"FEED={name}", f"SCENARIO={name}") == ["run", name, f"--feed={name}", "--plan"]
    assert handed("compare", f"RUN={name}", f"WITH={name}") == ["compare", name, name]


@pytest.mark.parametrize(("arguments", "words"), [
    (["bench"], ["run", "default"]),
    (["bench", "SCENARIO=", "FEED="], ["run", "default"]),
    (["bench", "SCENARIO=quick", "ARGS=--set 'load.clients=[1, 2]'"],
     ["run", "quick", "--set", "load.clients=[1, 2]"]),
    (["simulate"], ["simulate", "scale/million"]),
    (["decide"], ["decide"]),
    (["simulate", "SCENARIO=my file.toml", "FEED=a b.csv"], ["simulate", "my file.toml", "--feed=a b.csv"]),
    (["resume"], ["run", "--resume", "results/latest"]),
    (["report", "RUN=a (b)"], ["report", "a (b)"]),
    (["compare"], ["compare", "results/reference", "results/latest"]),
    (["serve", "FEED=a b.csv"], ["serve", "default", "--feed=a b.csv"]),
    (["bench-ui", "SCENARIO=a b"], ["serve", "a b", "--locust"]),
    (["test", "ARGS=-k 'a tape' -x"], ["run", "-q", "--", "-n", "2", "-k", "a tape", "-x"]),
    (["test-real"], ["run", "-q", "--", "-m", "real"]),
    (["test-fast"], ["run", "-q", "--", "-n", "2", "--hypothesis-profile", "few-examples", "-m",
                     "not (process or slow or real)"]),
])
def test_each_target_hands_on_what_was_asked(arguments: list[str], words: list[str]) -> None:
    assert handed(*arguments) == words
