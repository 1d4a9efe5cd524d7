"""The terminal, on which text from files is shown and never obeyed.

All that a command prints goes through here: rich's styles are added after the text was made visible
(`bench.output.plain`), so that what looks like one of them in a file stays text.
"""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from bench.output.plain import visible


class _Visible:
    """A renderable whose text is made visible."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


class _Hook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """See `RenderHook`."""
        return [_Visible(each) for each in renderables]


def console(**options: Any) -> Console:
    """Return a console that prints text from files as text."""
    made = Console(**options)
    made.push_render_hook(_Hook())
    return made


def say(line: str, *, err: bool = False) -> None:
    """Print a line."""
    typer.echo(visible(line), err=err)
