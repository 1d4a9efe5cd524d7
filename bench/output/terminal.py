"""The terminal, which shows text from files and never obeys it.

All output of the commands goes through this module. rich adds its styles after the text was made visible
(`bench.output.plain`), so escape codes that a file holds are shown as text.
"""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from bench.output.plain import visible


class _Visible:
    """A rich renderable that shows the control characters in its text as pictures."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


class _Hook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Wrap each renderable in `_Visible`; see rich's `RenderHook`."""
        return [_Visible(each) for each in renderables]


def console(**options: Any) -> Console:
    """Return a rich console that shows text from files as text; `options` go to `rich.console.Console`."""
    made = Console(**options)
    made.push_render_hook(_Hook())
    return made


def say(line: str, *, err: bool = False) -> None:
    """Print a line to standard output, or to standard error with `err`."""
    typer.echo(visible(line), err=err)
