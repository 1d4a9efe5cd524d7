"""`serve`: its options, checked before anything listens."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from bench import cli


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "80"})


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("--origin", "page"), "--origin: found 'page'"), (("nosuch",), "no such scenario"),
    (("quick", "--set", "trials.count=3"), "trials.count"),
])
def test_a_mistake_is_one_sentence_and_status_2(arguments: tuple[str, ...], sentence: str) -> None:
    result = tickertape("serve", *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
