"""The application with all verbs, each of which is imported when it is asked for.

    tickertape report …  ─► bench.cli.report       tickertape --help ─► all of them

The verbs together import pandas, SciPy, matplotlib and the simulator, which takes two seconds; a command needs a
part of them.

Known weakness: a verb's name and the name of its module and function are the same, which nothing but an import
shows to be true.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

VERBS = ("run", "report", "compare", "serve", "doctor", "simulate", "decide", "calibrate", "validate", "scenarios")
"""The verbs in the order of the help; each is a function of that name in the module of that name in `bench.cli`."""
SETTINGS: dict[str, Any] = {
    "pretty_exceptions_enable": False, "add_completion": False, "rich_markup_mode": "markdown"}


class Verbs(TyperGroup):
    """All verbs by their names."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: dict[str, Any] = dict.fromkeys(VERBS)   # each takes its place at its first use

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a verb's command; None for any other name."""
        if cmd_name in VERBS and self.commands[cmd_name] is None:
            verb = typer.Typer(**SETTINGS)
            verb.command(cmd_name)(getattr(import_module(f"bench.cli.{cmd_name}"), cmd_name))
            self.commands[cmd_name] = get_command(verb)
        return self.commands.get(cmd_name)


def application() -> typer.Typer:
    """Return the application."""
    app = typer.Typer(cls=Verbs, no_args_is_help=True, **SETTINGS,
                      help="Compare ways of delivering live data to clients, by cost and latency.")
    app.callback()(_no_verb)
    return app


def _no_verb() -> None:
    pass


def load(arguments: Iterable[str]) -> None:
    """Import the verb that a command's arguments begin with; all of them where they ask for help."""
    first = next(iter(arguments), "--help")
    for name in VERBS if first == "--help" else (first,):
        if name in VERBS:
            import_module(f"bench.cli.{name}")
