"""Options with which a transport can be tried in a short time, and its variants; no transport is named here.

A transport that polls on a schedule of its own has `interval_s`, which is short here. A variant sets one option to
another value than its default: each `bool`, and each word of a `Literal`, where it is allowed without another option.
"""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from bench import transports

INTERVAL_S = 0.1


def fields(name: str) -> dict[str, Any]:
    """Return the fields of a transport's `Options`."""
    found: dict[str, Any] = transports.part(name, "protocol").Options.model_fields
    return found


def quick(name: str, interval_s: float = INTERVAL_S) -> dict[str, Any]:
    """Return the options with which a client of the transport asks often."""
    return {"interval_s": interval_s} if "interval_s" in fields(name) else {}


def variants(name: str) -> list[dict[str, Any]]:
    """Return options that differ from the default in one choice each, the default first."""
    found: list[dict[str, Any]] = [{}]
    for field, info in fields(name).items():
        values = (True, False) if info.annotation is bool else (
            get_args(info.annotation) if get_origin(info.annotation) is Literal else ())
        found += [{field: value} for value in values if value != info.default and is_allowed(name, {field: value})]
    return found


def is_allowed(name: str, own: dict[str, Any]) -> bool:
    """True if the transport has these options, and they go together."""
    try:
        transports.part(name, "protocol").Options.model_validate(own)
    except ValidationError:
        return False
    return True


def table(name: str, interval_s: float = INTERVAL_S) -> str:
    """Return the transport's table of a scenario, labelled by its name."""
    lines = [f"{field} = {value}" for field, value in quick(name, interval_s).items()]
    return "\n".join([f"[transports.{name}]", *lines, ""])
