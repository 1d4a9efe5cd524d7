"""A command imports what it needs and no more."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
from typer.testing import CliRunner

from bench import cli
from bench.cli.shell import verbs
from bench.cli.shell.verbs import VERBS

LOADED = "import sys; from bench.cli.shell import verbs; verbs.load([{verb!r}]); print(*sys.modules)"


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_is_a_function_in_a_module_of_its_name(verb: str) -> None:
    assert callable(getattr(import_module(f"bench.cli.{verb}"), verb))


def test_a_verb_that_is_misspelt_is_served_with_the_nearest_one() -> None:
    found = CliRunner().invoke(cli.app, ["simulte"])
    assert found.exit_code == 2
    assert "Did you mean 'simulate'?" in found.output


def test_an_argument_that_is_no_verb_imports_none(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    monkeypatch.setattr(verbs, "import_module", imported.append)
    verbs.load(["--nosuch"])
    assert imported == []
    verbs.load(["run", "--help"])
    assert imported == ["bench.cli.run"]
    for arguments in ([], ["--help"]):
        imported.clear()
        verbs.load(arguments)
        assert imported == [f"bench.cli.{verb}" for verb in VERBS]


@pytest.mark.process
def test_measuring_needs_neither_the_simulator_nor_what_draws() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED.format(verb="run")], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "bench.experiment.run" in loaded
    assert loaded.isdisjoint({"matplotlib", "scipy.stats", "scipy.optimize", "bench.simulation.run", "locust"})
