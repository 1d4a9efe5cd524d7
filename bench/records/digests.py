"""Digests of a trial's files: a file that was changed after the trial is refused.

    SHA256SUMS     <digest>  feed.parquet       a line a file, as `sha256sum` writes and checks them
                   …
                   <digest>  trial.json
                   # <digest>                   of the lines above

It is written just before `trial.json`, which completes the trial. A trial without digests is read unchecked.
Removed tables and logs do not count as changes.

Known weakness: whoever changes a file on purpose can also change or remove its digest: this finds disk
faults and accidental edits.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.errors import RunError

SUMS = "SHA256SUMS"
"""The name of the digest file."""
CHANGED = "changed after the trial was made; put the original back, or remove the trial's folder"


def text_of(folder: Path, trial_json: bytes) -> bytes:
    """Return the content of the digest file for a trial's folder in its present state, and the
    `trial.json` that it will get."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")
                   if path.is_file() and path.name not in (SUMS, "trial.json") and path.name[0] != ".")
    lines = "".join(f"{_sha256(folder / name)}  {name}\n" for name in names)
    lines += f"{hashlib.sha256(trial_json).hexdigest()}  trial.json\n"
    return f"{lines}# {hashlib.sha256(lines.encode()).hexdigest()}\n".encode()


def refuse_changed(folder: Path, name: str) -> None:
    """Raise `RunError` where a file of a trial has changed since the trial was made."""
    listed = _sums(folder).get(name)
    if listed is not None and _sha256(folder / name) != listed:
        raise RunError(f"{folder / name}: its SHA-256 differs from the one in {SUMS}: the file was "
                       f"{CHANGED}")


def lists(folder: Path, name: str) -> bool:
    """Return whether a trial had a file when it was made, whether or not the file is still there."""
    return name in _sums(folder)


def refuse_changed_logs(folder: Path) -> None:
    """Raise `RunError` where a trial's log has changed; removed logs are accepted."""
    for name in _sums(folder):
        if "/" in name and (folder / name).is_file():
            refuse_changed(folder, name)


def _sums(folder: Path) -> dict[str, str]:
    """Return the digests of a trial's files by name; empty for a trial without digests."""
    path = folder / SUMS
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RunError(f"{path}: can't be read ({error.strerror})") from error
    lines, mark, digest = text.rpartition(b"# ")
    if not mark or hashlib.sha256(lines).hexdigest().encode() + b"\n" != digest:
        raise RunError(f"{path}: its last line is not the SHA-256 of the ones before: the file was {CHANGED}")
    pairs = (line.split("  ", 1) for line in lines.decode().splitlines())
    return {name: digest for digest, name in pairs}


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"{path}: can't be read ({error.strerror})") from error
