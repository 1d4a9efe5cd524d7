"""Tables of a run that has no trials (a storm, a map): written whole, and read back as they were written.

    tables ─► *.csv and their digests in tables.json ─► read_csv refuses a table that was changed

Known weakness: a run that is older than digests is read as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pandas as pd

from bench.errors import RunError
from bench.output import plain
from bench.records.trial_record import SCHEMA_VERSION, read_json, whole_file, write_json
from bench.scenario.parsing import value_text

DIGESTS = "tables.json"
"""The file with the digest of each table as it was written, so that only unchanged tables are reported."""


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table of the run.

    Raises `RunError` where the file is missing, can't be read, or is not as it was written.
    """
    writes = f"`tickertape simulate --resume {path.parent}` writes it"
    try:
        found = path.read_bytes()
        if _digest(found) != _digests(path.parent).get(path.name, _digest(found)):
            raise RunError(f"{path}: found another content than was written; {writes}")
        return plain.read_csv(BytesIO(found))
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; {writes}") from None
    except (ValueError, OSError) as error:   # a ParserError is a ValueError
        what = str(error).partition("\n")[0]
        raise RunError(f"{path}: can't be read ({what}); {writes}") from error


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write all tables of the run, by file name, each whole or not at all, and their digests."""
    digests = {}
    for name, frame in tables.items():
        content = plain.csv_text(frame).encode()
        with whole_file(folder / name) as beside:
            beside.write_bytes(content)
        digests[name] = _digest(content)
    write_json(folder / DIGESTS, {"schema_version": SCHEMA_VERSION, "sha256": digests})


def _digests(folder: Path) -> dict[str, str]:
    """Return the digest of each table by file name; none for a run that is older than digests.

    Raises `RunError` where the file holds something else.
    """
    path = folder / DIGESTS
    if not path.is_file():
        return {}
    digests = read_json(path).get("sha256")
    if not isinstance(digests, dict):
        raise RunError(f"{path}: sha256: found {value_text(digests)}, allowed is a digest by table; "
                       f"`tickertape simulate --resume {folder}` writes it")
    return digests


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
