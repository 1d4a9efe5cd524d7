"""A load takes its settings from its command line alone; that its processes do is tested beside."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from bench.load.__main__ import forget_files, forget_variables

SHOW = """
import json, sys
from bench.load import __main__ as load
import locust.main as main
main.main = lambda: print(json.dumps(vars(main.get_parser().parse_args(["--users", "7"])), default=str))
load.main()
"""


def shown(script: str) -> dict[str, Any]:
    command = [sys.executable, "-c", script]
    options: dict[str, Any] = json.loads(subprocess.check_output(command, timeout=60))
    return options


@pytest.mark.process
def test_no_setting_of_a_locust_users_own_reaches_a_load() -> None:
    mine = shown(SHOW)
    assert mine["num_users"] == 7
    assert [mine[name] for name in ("master", "processes", "run_time", "csv_prefix", "headless")] == (
        [False, None, None, None, False])
    assert (mine["spawn_rate"], mine["loglevel"], mine["stop_timeout"]) == (None, "INFO", 0)


def test_only_locusts_variables_are_taken_away() -> None:
    others = {"HOME": "/", "TICKERTAPE_LOAD": "z", "MY_LOCUST_": "1"}
    environment = {"LOCUST_CSV": "x", "GEVENT_LOOP": "y", **others}
    forget_variables(environment)
    assert environment == others


def test_a_parser_that_reads_no_files_keeps_its_other_defaults() -> None:
    def make(add_help: bool = True, default_config_files: Sequence[str] = ("a.conf",)) -> tuple[Any, ...]:
        return add_help, *default_config_files

    forget_files(make)
    assert make() == (True,)


def test_a_locust_whose_files_cannot_be_kept_out_is_refused() -> None:
    def get_parser(files: Sequence[str] = ("a.conf",)) -> None:
        """Take no names of default files, as some later version of Locust may."""

    with pytest.raises(RuntimeError, match="get_parser has no default_config_files"):
        forget_files(get_parser)
