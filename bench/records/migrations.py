"""Runs of older schemas, converted to the present schema when read.

    manifest.json   trial.json   *.parquet      of schema n
          └──────────┬────────────┘
        STEPS[n], STEPS[n + 1], …               each takes one version to the next
                     ▼
               the present schema

Files on disk are never changed; a step works on the data that was read. Three rules make most steps short:

- A column or field that a version adds is nullable or has a default. A value that an older run lacks is
  therefore null, and needs no step (`completed`): absent is null, never zero.
- A column that is gone is left out.
- A step is needed where a name, unit, shape or meaning changed.

A document that was migrated says from which version (`migrated_from`), since what it lacks was not
measured, and two runs of different schemas are not alike.

Known weakness: a step is only as good as the runs that it was tried on; `tests/data` holds one run of
each older schema, made by the program of that time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """The conversion of a run from one version of the schema to the next, by file."""

    documents: Mapping[str, Callable[[Document], Document]] = field(default_factory=dict)
    """By the file's name without `.json`."""
    tables: Mapping[str, Callable[[pa.Table], pa.Table]] = field(default_factory=dict)
    """By the file's name without `.parquet`."""


def _manifest_1_to_2(manifest: Document) -> Document:
    """In version 1 no server was watched while idle, no invalid trial was made again, and no run ended
    before all planned blocks were made; version 2's defaults would say otherwise."""
    scenario = dict(manifest["scenario"])
    scenario["windows"] = {"idle_s": 0.0, **scenario.get("windows", {})}
    scenario["trials"] = {"repeats": 0, "until": None, "count_max": None, **scenario.get("trials", {})}
    return {**manifest, "scenario": scenario}


STEPS: Mapping[int, Step] = {
    1: Step(documents={"manifest": _manifest_1_to_2}),
}
"""The steps, by the version that each starts from."""


def document(name: str, data: Document, version: int) -> Document:
    """Return `data` of a document `name`, converted from its own version to `version`; a newer one
    is a bug here."""
    found = data["schema_version"]
    assert found <= version, "refused where it is read"
    if found == version:
        return data
    for number in range(found, version):
        step = STEPS[number].documents.get(name)
        data = step(data) if step else data
    return {**data, "schema_version": version, "migrated_from": data.get("migrated_from", found)}


def table(name: str, read: pa.Table, schema: pa.Schema, found: int, version: int) -> pa.Table:
    """`read`, a table `name` of version `found`, with the columns and types of `schema`, which is that
    of `version`.

    Raises `KeyError` with the column's name where one is missing that may not be null.
    """
    for number in range(found, version):
        step = STEPS[number].tables.get(name)
        read = step(read) if step else read
    return completed(read, schema)


def completed(read: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return `read` with exactly the columns of `schema`: a missing one is null, a further one is
    left out."""
    if read.schema.equals(schema):
        return read
    columns = []
    for wanted in schema:
        if wanted.name in read.column_names:
            columns.append(read[wanted.name].cast(wanted.type))
        elif wanted.nullable:
            columns.append(pa.nulls(read.num_rows, wanted.type))
        else:
            raise KeyError(wanted.name)
    return pa.Table.from_arrays(columns, schema=schema)
