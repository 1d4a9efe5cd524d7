"""`doctor`: the same findings as a table and as JSON, and an exit status that follows from them."""

from __future__ import annotations

import json

from typer.testing import CliRunner, Result

from bench import cli


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "80"})


def test_the_doctors_findings_as_a_table_and_as_json() -> None:
    table, plain = tickertape("doctor", "--seconds", "1"), tickertape("doctor", "--seconds", "1", "--json")
    told = json.loads(plain.stdout)
    assert "clock source" in table.stdout
    poor = any(check["verdict"] == "poor" for check in told["checks"])
    assert plain.exit_code == int(poor)
    assert (" poor: " in plain.stderr.splitlines()[-1]) if poor else not plain.stderr
    assert told["host"]["cores"]
    assert "Observed for 1 s." in table.stdout
    assert told["observed_s"] == 1
