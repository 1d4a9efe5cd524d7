"""The files that come with the package: scenarios, reference costs, the reference run and its validation.

    in a clone        <project>/scenarios/quick.toml              where it is edited
    in a wheel        bench/_shipped/scenarios/quick.toml         copied there when the wheel is built

`pyproject.toml` lists what is copied. Nothing here reads or writes a file.
"""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parent.parent
"""The clone's root; of an installed wheel, the folder of installed packages."""


def path(name: str) -> Path:
    """Return where the shipped file or folder `name` is, such as `scenarios/quick.toml`; it may be absent."""
    copied = Path(__file__).parent / "_shipped"
    return (copied if copied.is_dir() else PROJECT) / name
