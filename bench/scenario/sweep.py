"""The table `[sweep]`: values of one option of a transport, each measured as a subject of its own.

    [sweep]
    "transports.short_polling.interval_s" = [0.5, 1, 2]

    [transports.short_polling]  ─►  [transports."short_polling interval_s=0.5"]
                                    [transports."short_polling interval_s=1"]       the other options are the same
                                    [transports."short_polling interval_s=2"]

The subjects take the place of the transport, in the order of the values. They are made when a file is read,
before it is validated, so that everything after it knows subjects only; the scenario keeps the table, by which a
report finds the subjects of one curve (`curves`). A name may also be written as TOML's nested tables, as `--set`
does: `--set sweep.transports.short_polling.interval_s=[0.5,1]`.

Known weakness: one option of a transport at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import ScenarioError
from bench.scenario.parsing import value_text

SweepValue = bool | int | float | str
EXAMPLE = '"transports.polls.interval_s" = [0.5, 1, 2]'


@dataclass(frozen=True, slots=True)
class Curve:
    """The subjects of one sweep."""

    label: str
    """Label of the transport whose option is swept."""
    option: str
    subjects: tuple[tuple[SweepValue, str], ...]
    """Each value with the label of its subject, in the order of the file."""


def label_of(label: str, option: str, value: SweepValue) -> str:
    """Return the label of the subject of one value."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{label} {option}={text}"


def curves(sweep: Mapping[str, Sequence[SweepValue]]) -> list[Curve]:
    """Return the subjects of each sweep of a scenario."""
    found = []
    for name, values in sweep.items():
        _, label, option = name.split(".")
        found.append(Curve(label, option, tuple((value, label_of(label, option, value)) for value in values)))
    return found


def expanded(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a scenario's table with a subject for each value of its sweeps.

    `where` names the file. Raises `ScenarioError` where a sweep is not one of an option of a transport.
    """
    if "sweep" not in table:
        return dict(table)
    sweep = _flat(table["sweep"], "sweep", where)
    subjects = table.get("transports")
    subjects = dict(subjects) if isinstance(subjects, Mapping) else {}
    swept: dict[str, str] = {}
    for name, values in sweep.items():
        label, option = _option(name, subjects, where)
        if label in swept:
            raise ScenarioError(where, f"sweep.{name}", f"a second option of {label}",
                                f"one option of each transport; {swept[label]} is swept already")
        swept[label] = option
        _check(name, values, where)
    made: dict[str, Any] = {}
    for label, subject in subjects.items():
        if label not in swept:
            made[label] = subject
            continue
        option = swept[label]
        for value in sweep[f"transports.{label}.{option}"]:
            made[label_of(label, option, value)] = {"transport": label, **subject, option: value}
    return {**table, "sweep": sweep, "transports": made}


def _flat(table: Any, prefix: str, where: str) -> dict[str, Any]:
    """Return a table of dotted names, whether these were written as one key or as nested tables."""
    if not isinstance(table, Mapping):
        raise ScenarioError(where, prefix, value_text(table), f"a table, such as {EXAMPLE}")
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": each for inner, each in _flat(value, f"{prefix}.{name}", where).items()}
        else:
            found[name] = value
    return found


def _option(name: str, subjects: Mapping[str, Any], where: str) -> tuple[str, str]:
    """Return the label and the option that a sweep's name says."""
    parts = name.split(".")
    if len(parts) != 3 or parts[0] != "transports":
        raise ScenarioError(where, f"sweep.{name}", "no option of a transport",
                            f"transports.<label>.<option>, such as {EXAMPLE}")
    if not isinstance(subjects.get(parts[1]), Mapping):
        raise ScenarioError(where, f"sweep.{name}", value_text(parts[1]), "one of " + ", ".join(subjects))
    return parts[1], parts[2]


def _check(name: str, values: Any, where: str) -> None:
    """Raise `ScenarioError` unless the values are a list of different numbers, texts or truth values."""
    simple = isinstance(values, list) and all(isinstance(value, (bool, int, float, str)) for value in values)
    if not simple or not values or len({str(value) for value in values}) < len(values):
        raise ScenarioError(where, f"sweep.{name}", value_text(values),
                            "a list of numbers, texts, true or false, each once")
