"""Generator of `docs/scenario.md`: `python -m bench.experiment.scenario_docs > docs/scenario.md`.

Every table becomes a heading, every field a row: its name, its allowed values, its default, and its meaning
(the field's docstring). A transport's options come from its folder, so a new transport is described without a
change here; only those that come with the project are. A test checks that the file is current.
"""

from __future__ import annotations

import sys
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from bench import transports
from bench.scenario.model import Claim, External, Scenario, Subject
from bench.scenario.parsing import table_of

HEAD = """\
# The scenario file

Made from the models by `python -m bench.experiment.scenario_docs`; don't edit it by hand.

A scenario is a TOML file: one question, and all that is needed to answer it again. `tickertape run NAME`
looks for `scenarios/NAME.toml`, `tickertape run path/to/file.toml` takes any, and `tickertape simulate`
takes the same ones ([simulation.md](simulation.md)). An unknown key is refused with the nearest known name.
`--set load.clients=[50,200]` sets any field from the command line, the value as in TOML (quotes around a
single word may be left out).

Paths: `feed.replay.file` counts from the scenario file's own folder, `--feed FILE` from the current one.
"""
SUBJECTS = """\
## `[transports.<label>]`

One table for each thing that is compared, in the order of the report. The label (letters, digits and
underscores) is its name everywhere; it is also the transport unless `transport` says otherwise, so that
one transport can be listed twice with different options.
"""
SWEEP = """\
## `[sweep]`

Several values of one option of a transport, each measured as a subject of its own:

```toml
[sweep]
"transports.polls.interval_s" = [0.5, 1, 2]
```

The subjects (`polls interval_s=0.5` …) take the place of `[transports.polls]`, whose other options they share.
A label may have one such line.
"""


def text() -> str:
    """Return the whole document."""
    parts = [HEAD, _table("## The file", Scenario, "", skip={"transports", "claims"})]
    parts += _inner(Scenario, "")
    parts += [SUBJECTS, _rows(Subject, skip=set())]
    parts.append(_table("### `[transports.<label>.server]`", External, _doc(External), skip=set()))
    parts.append(_table("## `[claims.<name>]`", Claim, _doc(Claim), skip=set()))
    parts.append(SWEEP)
    for name in transports.own_names():
        options: type[BaseModel] = transports.part(name, "protocol").Options
        parts.append(_table(f"### Options of `{name}`", options, "", skip=set()))
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _inner(model: type[BaseModel], prefix: str) -> list[str]:
    """Return the sections of the tables below `model`, depth first."""
    parts = []
    for name, field in model.model_fields.items():
        inner = table_of(field)
        if inner is not None:
            path = f"{prefix}{name}"
            parts.append(_table(f"## `[{path}]`", inner, _doc(inner), skip=set()))
            parts += _inner(inner, f"{path}.")
        elif prefix and get_origin(field.annotation) is dict:   # the file's own two are introduced apart
            named = get_args(field.annotation)[1]
            introduction = f"{field.description}\n\n{_doc(named)}"
            parts.append(_table(f"## `[{prefix}{name}.<name>]`", named, introduction, skip=set()))
    return parts


def _doc(model: type[BaseModel]) -> str:
    lines = (model.__doc__ or "").strip().splitlines()
    return "\n".join(line.strip() for line in lines) + "\n"


def _table(heading: str, model: type[BaseModel], introduction: str, skip: set[str]) -> str:
    parts = [heading, "", *([introduction] if introduction else []), _rows(model, skip)]
    return "\n".join(parts)


def _rows(model: type[BaseModel], skip: set[str]) -> str:
    """Return a table with a row for each field that is not a table itself."""
    schema = model.model_json_schema()
    lines = ["| field | may be | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in schema.get("properties", {}).items():
        if name in skip or "$ref" in field or field.get("type") == "object":
            continue
        default = "required" if name in schema.get("required", ()) else _value_text(field.get("default"))
        meaning = " ".join(field.get("description", "").split())
        lines.append(f"| `{name}` | {_allowed(field, schema)} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _value_text(value: Any) -> str:
    """Return a default value as TOML writes it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{value}`"


def _allowed(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return the allowed values of a field in words."""
    several = field.get("anyOf") or field.get("oneOf")
    if several:
        return " or ".join(_allowed(each, schema) for each in several if each.get("type") != "null")
    if "$ref" in field:
        return "a table"
    if "enum" in field:
        return ", ".join(f'`"{each}"`' for each in field["enum"])
    if field["type"] == "array":
        return f"a list: {_allowed(field['items'], schema)}"
    kind = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {_bound(field[name])}" for name, sign in signs.items() if name in field]
    return " ".join([kind[field["type"]], ", ".join(bounds)]).strip()


def _bound(value: float) -> str:
    return "2⁶³" if value == 2**63 else f"{value:.10g}"


def main() -> None:
    """Print the document."""
    sys.stdout.write(text())


if __name__ == "__main__":
    main()
