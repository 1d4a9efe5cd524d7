"""A figure of a page in one place: its name, its title, the function that draws it, and its caption.

    FigureSpec ── figure(data) ──► drawing with its title on it ──► SVG on a page, picture in a notebook
               └─ caption_of(data) ──► a text that says how to read it

Titles and captions may depend on the data: a title that is a finding, a caption that names only the marks that
are drawn. A figure that would say nothing (one client count, so one point per transport) is left out where
`worth` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from matplotlib.figure import Figure

from bench.report import style

Data = TypeVar("Data")


def always(_: object) -> bool:
    """Return True: the figure is worth its place whatever the data."""
    return True


@dataclass(frozen=True)
class FigureSpec(Generic[Data]):
    """A figure of data of one kind: a run, a storm, a map, a validation."""

    name: str
    """Its name in the page, and of its file in `figures/`."""
    title: str | Callable[[Data], str]
    """The question that it answers, or its finding."""
    draw: Callable[[Data], Figure]
    """Draws it, without its title."""
    caption: str | Callable[[Data], str]
    """Says how to read it."""
    worth: Callable[[Data], bool] = always
    """Tells whether the figure says anything of this data that the tables don't."""

    def title_of(self, data: Data) -> str:
        """Return the title for this data."""
        return self.title if isinstance(self.title, str) else self.title(data)

    def caption_of(self, data: Data) -> str:
        """Return the caption for this data."""
        return self.caption if isinstance(self.caption, str) else self.caption(data)

    def figure(self, data: Data) -> Figure:
        """Draw the figure, with its title."""
        figure = self.draw(data)
        with style.settings():
            style.heading(figure, self.title_of(data))
        return figure
