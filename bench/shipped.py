"""The files that come with the package: scenarios, reference costs, the reference run and its validation.

    in a clone        <project>/scenarios/quick.toml              where it is edited
    in a wheel        bench/_shipped/scenarios/quick.toml         copied there when the wheel is built

`pyproject.toml` lists the files that are copied. This module neither reads nor writes files.
"""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parent.parent
"""The root of the clone; for an installed wheel, the folder of installed packages."""


def path(name: str) -> Path:
    """Return the path of the shipped file or folder `name`, such as `scenarios/quick.toml`; it may not
    exist."""
    copied = Path(__file__).parent / "_shipped"
    return (copied if copied.is_dir() else PROJECT) / name
