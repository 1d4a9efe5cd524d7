"""Validation of tables that a user wrote: the first mistake becomes one sentence.

    a table ─► pydantic ─► the model
                   └─ first error ─► where: field: found …, allowed is …

The sentence names the field as it is written in the file. It lists the allowed values in the terms of the
file's format (a list, a table, a whole number), not in those of Python or the library. For an unknown key it
suggests the nearest known one. Where each field is valid by itself but the combination is not, the table's
own check names the field to change (`FieldConflict`).
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, time
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bench.errors import ScenarioError

KINDS = {
    "tuple": "a list", "list": "a list", "dict": "a table", "model": "a table", "dataclass": "a table",
    "model_attributes": "a table", "mapping": "a table", "string": "a text", "bool": "true or false",
    "int": "a whole number", "int_from_float": "a whole number", "float": "a number",
    "greater_than": "a number above {gt}", "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}", "less_than_equal": "a number of at most {le}",
    "too_short": "at least {min_length} of them", "union_tag_not_found": "a text or a table",
}
"""Allowed values in words, by pydantic's error type without `_type` and `_parsing`."""
LONGEST = 80
"""Most characters of a found value that a message shows, so that it stays one sentence."""

T = TypeVar("T", bound=BaseModel)


class FieldConflict(ValueError):
    """Raised by a table's own check where the value of `field` conflicts with the table's other fields."""

    def __init__(self, field: str, found: object, allowed: str) -> None:
        super().__init__(allowed)
        self.field = field
        self.found = found


class WrittenFloat(float):
    """A float that keeps the digits it was written with, since a float may not hold them all."""

    written: str

    def __new__(cls, written: str) -> WrittenFloat:
        """Parse the number and keep its text."""
        made = super().__new__(cls, written)
        made.written = written
        return made


def parsed(text: str) -> dict[str, Any]:
    """Parse a TOML text into a table; raise `ValueError` with the reason where it can't be read."""
    try:
        return tomllib.loads(text, parse_float=WrittenFloat)
    except RecursionError:
        raise ValueError("brackets within brackets, too deep to be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise
    except ValueError:
        raise ValueError("a whole number with too many digits to be read") from None


def validated(model: type[T], table: Mapping[str, Any], where: str, prefix: str = "") -> T:
    """Validate `table` as a `model`.

    `where` is the file, `prefix` the dotted name of the table in it. Raises `ScenarioError`, which names the
    first wrong field, where the table doesn't fit the model.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = [str(part) for part in first["loc"] if not str(part).startswith("<")]   # a tag of ours, no key
        name = ".".join([prefix, *path] if prefix else path) or "the file"
        if first["type"] == "extra_forbidden":
            known = _known_names(model, path[:-1])
            raise ScenarioError(where, name, "an unknown key", nearest_text(path[-1], known)) from error
        if first["type"] == "missing":
            raise ScenarioError(where, name, "nothing", "a value (the field is required)") from error
        conflict = first.get("ctx", {}).get("error")
        if isinstance(conflict, FieldConflict):
            name = ".".join([prefix, *path, conflict.field] if prefix else [*path, conflict.field])
            raise ScenarioError(where, name, value_text(conflict.found), str(conflict)) from error
        raise ScenarioError(where, name, value_text(first["input"]), _allowed(first)) from error


def nearest_text(name: str, known: Sequence[str], otherwise: str = "") -> str:
    """Return the known name that is nearest to a mistyped one; where none is near `otherwise`, by default all."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"{near[0]} (the nearest known name)" if near else otherwise or "one of " + ", ".join(known)


def _allowed(first: ErrorDetails) -> str:
    """Return the allowed values of the field in words, without Python terms."""
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    kind = first["type"].removesuffix("_type").removesuffix("_parsing")
    return KINDS[kind].format(**first.get("ctx", {})) if kind in KINDS else message


def value_text(found: object) -> str:
    """Return a found value as it would be written in the file, cut to `LONGEST` characters."""
    return short(_written(found))


def short(text: str) -> str:
    """Cut a text to `LONGEST` characters."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST - 1]}…"


def count_text(count: int, one: str, several: str) -> str:
    """Return a count with its noun in the singular or plural."""
    return f"{count:,} {one if count == 1 else several}"


def list_text(names: Sequence[str], most: int = 3) -> str:
    """Return the first `most` names, joined, with the number of those left out."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


def _written(value: object) -> str:
    """Return a value as TOML writes it; a value that TOML lacks is written as JSON."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return f"'{value}'" if value.isprintable() and "'" not in value else json.dumps(value)
        case date() | time():
            return value.isoformat()
        case Mapping():
            return "{" + ", ".join(f"{name} = {_written(each)}" for name, each in value.items()) + "}"
        case Sequence():
            return "[" + ", ".join(map(_written, value)) + "]"
    return str(value)


def table_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field that is a table or an optional table; None for any other field."""
    maybe = get_args(field.annotation) if get_origin(field.annotation) is UnionType else ()
    for each in (field.annotation, *maybe):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def _known_names(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Return the sorted field names of the table at `path` below `model`."""
    for part in path:
        inner = table_of(model.model_fields[part]) if part in model.model_fields else None
        if inner is None:
            break
        model = inner
    return sorted(model.model_fields)
