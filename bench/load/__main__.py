"""Start of Locust with the settings of its command line alone: `python -m bench.load -f locustfile.py …`.

Locust takes settings from variables (`LOCUST_RUN_TIME`), from `~/.locust.conf`, and from `locust.conf` and
`pyproject.toml` in the current folder. Locust's users have them for tests of their own, and any of
them would change the load that the runner asked for. So the variables are removed before Locust is imported,
since the import reads some of them, and its parsers are given no file. The workers that Locust forks under
a master have both from here.

Known weakness: the files are the default of a parameter of two of Locust's functions. Where a later Locust
has no such parameter, the load ends with an error instead of taking settings that were not meant for it.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, MutableMapping
from typing import Any

PREFIXES = ("LOCUST_", "GEVENT")
"""Prefixes of the variables from which Locust, and gevent below it, take settings."""
FILES = "default_config_files"


def forget_variables(environment: MutableMapping[str, str]) -> None:
    """Remove the variables that Locust reads from the environment."""
    for name in [name for name in environment if name.startswith(PREFIXES)]:
        del environment[name]


def forget_files(make_parser: Callable[..., Any]) -> None:
    """Make the parsers that a function creates read no file by default."""
    names = [each.name for each in inspect.signature(make_parser).parameters.values()
             if each.default is not inspect.Parameter.empty]
    defaults = dict(zip(names, make_parser.__defaults__ or (), strict=True))
    if FILES not in defaults:
        raise RuntimeError(f"Locust's {make_parser.__name__} has no {FILES}: its files can't be excluded")
    make_parser.__defaults__ = tuple((defaults | {FILES: ()}).values())


def main() -> None:
    """Run Locust."""
    forget_variables(os.environ)
    from locust import argument_parser
    from locust.main import main as run

    forget_files(argument_parser.get_parser)
    forget_files(argument_parser.get_empty_argument_parser)
    run()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
