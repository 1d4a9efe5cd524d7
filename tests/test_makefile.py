"""The Makefile: what a target hands to the program, without running it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
NAMES = ["trades (1).csv", "a&b;c.csv", "it's.csv", 'say "x".csv', "5$x`y`.csv", "-a,b.csv", "ä|<?>.csv"]
"""What a shell, or make, would take apart."""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed here")


def handed(*arguments: str) -> list[str]:
    """The words that the target's last command consists of."""
    done = subprocess.run(["make", "-n", "-o", ".venv/.run", *arguments], cwd=PROJECT, capture_output=True,
                          text=True, check=True)
    return shlex.split(done.stdout.splitlines()[-1])[1:]


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
    (["simulate", "SCENARIO=my file.toml", "FEED=a b.csv"], ["simulate", "my file.toml", "--feed=a b.csv"]),
    (["resume"], ["run", "--resume", "results/latest"]),
    (["report", "RUN=a (b)"], ["report", "a (b)"]),
    (["compare"], ["compare", "results/reference", "results/latest"]),
    (["serve", "FEED=a b.csv"], ["serve", "default", "--feed=a b.csv"]),
    (["bench-ui", "SCENARIO=a b"], ["serve", "a b", "--locust"]),
])
def test_each_target_hands_on_what_was_asked(arguments: list[str], words: list[str]) -> None:
    assert handed(*arguments) == words
