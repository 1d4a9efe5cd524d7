"""The formats of trade files as data, and the recognition of a file's format.

    first rows of a file ─┬─ a header ──► a format that knows every column ─► or columns by their names
                          └─ no header ─► a format whose kinds fit every column of every row looked at

A trade has four roles: `timestamp`, `symbol`, `price`, `size`. A format says which column has which role. It
is recognised only when all columns of the file fit it, and a file that fits none is refused, since a misread file
gives wrong values that remain unnoticed. Of two formats that fit (Kraken's and Bitcoincharts', which are alike
without a header) the first is taken. `FORMATS` is the one place where formats are listed.

A file with a header but without a known format is read by the names of its columns (`NAMES`). Other columns
are ignored, but each role needs exactly one column. A file without a column of symbols is accepted only in a
format that has none, or where the user names the symbol.

Known weakness: formats without a header are distinguished by their values alone. Any file with three columns
of epoch seconds, price and size is read as Kraken's, whatever its source. Swapped columns of similar numbers
can't be detected.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

ROLES = ("timestamp", "symbol", "price", "size")
NAMES: Mapping[str, tuple[str, ...]] = {
    "timestamp": ("timestamp", "time", "datetime", "ts"),
    "symbol": ("symbol", "ticker", "pair", "instrument"),
    "price": ("price",),
    "size": ("size", "quantity", "qty", "amount", "volume"),
}
"""The column names of each role. The first one wins; of the others a file may have only one."""
BAR_NAMES = frozenset({"open", "high", "low", "close"})
SAMPLE_ROWS = 200
"""Rows of a file without a header that must fit a format."""

SECONDS = (662_688_000, 7_258_118_400)
"""Range of epoch seconds that counts as an instant: the years 1991 to 2200. The lower bound is above .NET
ticks and Windows file times read as nanoseconds, and above spreadsheet days, times of day and dates
written as numbers, read in any unit."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format of trade files."""

    name: str
    title: str
    columns: tuple[tuple[str, str], ...]
    """Kind and names of each column in the file's order; `a|b` are two names of one column."""
    roles: Mapping[str, tuple[str, ...]]
    """The columns that may have each role, the preferred one first."""
    required: int
    """Number of leading columns that are always present."""
    bare: bool
    """True if the format comes without a header."""
    units: tuple[int, ...] = (1, 1_000, 1_000_000, 1_000_000_000)
    """Units of its epoch numbers, as parts of a second."""


FORMATS = (
    Format(
        name="binance-aggtrades", title="Binance aggTrades, spot or futures",
        columns=(
            ("whole", "aggTradeId"), ("number", "price"), ("number", "quantity|qty"),
            ("whole", "firstTradeId"), ("whole", "lastTradeId"), ("instant", "transactTime|timestamp|time"),
            ("flag", "isBuyerMaker|wasBuyerMaker"),
            ("flag", "isBestMatch|wasBestMatch|isBestPriceMatch|wasTheBestPriceMatch"),
        ),
        roles={"timestamp": ("transacttime",), "price": ("price",), "size": ("quantity",)},
        required=7, bare=True, units=(1_000, 1_000_000),
    ),
    Format(
        name="binance-trades", title="Binance trades, spot or futures",
        columns=(
            ("whole", "id|tradeId"), ("number", "price"), ("number", "qty|quantity"),
            ("number", "quoteQty|baseQty|quoteQuantity"), ("instant", "time|timestamp"),
            ("flag", "isBuyerMaker|wasBuyerMaker"), ("flag", "isBestMatch|wasBestMatch|isBestPriceMatch"),
        ),
        roles={"timestamp": ("time",), "price": ("price",), "size": ("qty",)},
        required=6, bare=True, units=(1_000, 1_000_000),
    ),
    Format(
        name="kraken", title="Kraken trades",
        columns=(("instant", "time"), ("number", "price"), ("number", "volume")),
        roles={"timestamp": ("time",), "price": ("price",), "size": ("volume",)},
        required=3, bare=True, units=(1,),
    ),
    Format(
        name="bitcoincharts", title="Bitcoincharts trades",
        columns=(("instant", "unixtime"), ("number", "price"), ("number", "amount")),
        roles={"timestamp": ("unixtime",), "price": ("price",), "size": ("amount",)},
        required=3, bare=True, units=(1,),
    ),
    Format(
        name="polygon", title="Polygon flat files of trades",
        columns=(
            ("text", "ticker"), ("number", "price"), ("number", "size"), ("instant", "sip_timestamp"),
            ("instant", "participant_timestamp"), ("text", "conditions"), ("whole", "correction"),
            ("whole", "exchange"), ("text", "id"), ("whole", "sequence_number"), ("whole", "tape"),
            ("whole", "trf_id"), ("instant", "trf_timestamp"), ("number", "decimal_size"),
        ),
        roles={"timestamp": ("siptimestamp", "participanttimestamp"), "symbol": ("ticker",),
               "price": ("price",),
               "size": ("size",)},
        required=3, bare=False, units=(1_000_000_000,),
    ),
)
"""The named formats. The further name `tickertape` means columns found by their names."""
OURS = "tickertape"
FORMAT_NAMES = (OURS, *(each.name for each in FORMATS))


class Unrecognised(ValueError):
    """Raised for a file in no known format; the message is the rest of a sentence that begins with the
    file's name."""


@dataclass(frozen=True, slots=True)
class RequestedFormat:
    """The user's settings about a file's format; empty by default."""

    format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """Column by role. A number is a position counted from 1, unless a column has that name."""
    symbol: str | None = None
    """The one symbol of a file without a column of symbols."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The column of each role; `symbol` is missing where the file holds one symbol."""

    places: Mapping[str, int]
    """Position of the column by role, from 0."""
    header: bool
    format: str


def named(text: str) -> str | None:
    """Return the format's name in its own spelling, ignoring case, blanks and dashes; None if there is
    none."""
    return next((name for name in FORMAT_NAMES if plain(name) == plain(text)), None)


def plain(name: str) -> str:
    """Return a column's name without case, blanks, dashes and underscores."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def of_rows(rows: Sequence[Sequence[str]], asked: RequestedFormat) -> Layout:
    """Return the layout of a file that begins with these rows; the first row may be a header.

    Raises `Unrecognised` where no format fits, or a role has no column or several.
    """
    first = rows[0]
    if not any(map(_is_value, first)):
        return of_header(first, asked)
    if asked.columns:
        numbers = [str(number) for number in range(1, len(first) + 1)]
        places = {role: _place(column, numbers, role) for role, column in asked.columns.items()}
        _refuse_twofold(numbers, places)
        _refuse_incomplete(places, numbers, asked)
        return Layout(places, header=False, format=OURS)
    return _of_bare(rows, asked)


def of_header(names: Sequence[str], asked: RequestedFormat) -> Layout:
    """Return the layout of a file whose columns have these names; raise `Unrecognised` where none fits."""
    formats = [each for each in FORMATS if asked.format in (None, each.name)]
    if not asked.columns:
        for each in formats:
            places = _named_places(each, names)
            if places is not None:
                _refuse_twofold(names, places)
                return _with_symbol(Layout(places, header=True, format=each.name), names, asked)
    if asked.format not in (None, OURS):
        raise Unrecognised(f"found the columns {_list(names)}, allowed is {_format_text(formats[0])} "
                           f"(feed.replay.format)")
    if len(BAR_NAMES & set(map(plain, names))) >= 3 and not asked.columns:
        raise Unrecognised(f"found bars ({_list(names)}), allowed are trades: a bar is no trade")
    places = {role: _place(column, names, role) for role, column in asked.columns.items()}
    for role in ROLES:
        if role not in places and (place := _by_name(role, names)) is not None:
            places[role] = place
    _refuse_twofold(names, places, asked.columns)
    _refuse_incomplete(places, names, asked)
    return _with_symbol(Layout(places, header=True, format=OURS), names, asked)


def _of_bare(rows: Sequence[Sequence[str]], asked: RequestedFormat) -> Layout:
    """Return the layout of a file without a header, recognised by its values; raise `Unrecognised` where
    none fits."""
    sample = rows[:SAMPLE_ROWS]
    formats = [each for each in FORMATS if each.bare and asked.format in (None, each.name)]
    found = [each for each in formats if _fits(each, sample)]
    if asked.format is None and are_bars(sample):
        raise Unrecognised(f"found {len(rows[0])} columns without a header that look like bars (time, open, "
                           f"high, "
                           "low, close, …), allowed are trades: a bar is no trade")
    if asked.format is None and are_quotes(sample):
        raise Unrecognised("found 3 columns without a header whose last follows the second closely, as an "
                           "ask "
                           'follows a bid, allowed are trades; if it is a size, say format = "kraken"')
    if not found:
        allowed = " or ".join(map(_format_text, formats)) if formats and asked.format else (
            f"a header with {','.join(ROLES)}, a known format ({', '.join(FORMAT_NAMES[1:])}), or columns "
            f"by their "
            "places (--columns timestamp=1,price=2,size=3)")
        raise Unrecognised(f"found a first row without names, {_list(rows[0])}, allowed is {allowed}")
    roles = {role: _index(found[0], columns[0]) for role, columns in found[0].roles.items()}
    return Layout(roles, header=False, format=found[0].name)


def _named_places(known: Format, names: Sequence[str]) -> dict[str, int] | None:
    """Return the position of each role's column; None unless the format has every name and all it requires
    are there."""
    spelt = [{plain(name) for name in column.split("|")} for _, column in known.columns]
    mine = [plain(name) for name in names]
    if mine and mine[-1] == "":
        mine = mine[:-1]   # a comma at the end of the line
    owners = [next((number for number, all_ in enumerate(spelt) if name in all_), None) for name in mine]
    if None in owners or not set(range(known.required)) <= set(owners):
        return None
    places = {}
    for role, columns in known.roles.items():
        place = next((owners.index(number) for column in columns
                      if (number := _index(known, column)) in owners), None)
        if place is None:
            return None
        places[role] = place
    return places


def _index(known: Format, column: str) -> int:
    """Return the position of a format's column."""
    return next(number for number, (_, names) in enumerate(known.columns)
                if column in map(plain, names.split("|")))


def _by_name(role: str, names: Sequence[str]) -> int | None:
    """Return the position of the column whose name has the role, or None; raise `Unrecognised` where
    several could."""
    spelt = [plain(name) for name in names]
    first, *others = NAMES[role]
    if first in spelt:
        return spelt.index(first)
    found = [place for place, name in enumerate(spelt) if name in others]
    if len(found) > 1:
        raise Unrecognised(f"column {role}: found {_list([names[place] for place in found])}, allowed is "
                           f"one; "
                           f"name it with --columns {role}=NAME")
    return found[0] if found else None


def _place(column: str, names: Sequence[str], role: str) -> int:
    """Return the position, from 0, of a column that the user gave by name or by its position counted from 1.

    Raises `Unrecognised` where there is no such column, or several of that name.
    """
    if column not in names and re.fullmatch(r"[0-9]{1,4}", column) and 1 <= int(column) <= len(names):
        return int(column) - 1
    for found in ([place for place, name in enumerate(names) if name == column],
                  [place for place, name in enumerate(names) if plain(name) == plain(column) != ""]):
        if len(found) == 1:
            return found[0]
        if found:
            raise Unrecognised(f"column {column!r} (feed.replay.columns.{role}): found {len(found)} of that "
                               f"name, "
                               "allowed is one; name it by its place, counted from 1")
    near = difflib.get_close_matches(column, names, n=1)
    hint = f"{near[0]} (the nearest name)" if near else f"one of {_list(names)}, or a place counted from 1"
    raise Unrecognised(f"column {role}: found no {column!r} (feed.replay.columns), allowed is {hint}")


def _refuse_twofold(names: Sequence[str], places: Mapping[str, int], chosen: Container[str] = ()) -> None:
    """Raise `Unrecognised` where a column with a role occurs twice or has two roles.

    The columns of the roles in `chosen` were named by the user and may have the name of another column.
    """
    spelt = [plain(name) for name in names]
    for role, place in places.items():
        if role not in chosen and spelt.count(spelt[place]) > 1:
            raise Unrecognised(f"column {role}: found {names[place]!r} more than once, allowed is one; "
                               f"name it by its place (--columns {role}=NUMBER, counted from 1)")
        if list(places.values()).count(place) > 1:
            raise Unrecognised(f"column {role}: found {names[place]!r}, which has another role as well, "
                               "allowed is a column for each")


def _refuse_incomplete(places: Mapping[str, int], names: Sequence[str], asked: RequestedFormat) -> None:
    """Raise `Unrecognised` where a role has no column; the symbol needs none where the user names it."""
    for role in ROLES:
        if role in places or (role == "symbol" and asked.symbol is not None):
            continue
        near = difflib.get_close_matches(role, names, n=1, cutoff=0.5)
        nearest = f" (is it {near[0]}?)" if near else ""
        other = ", or the file's one symbol in feed.replay.symbol" if role == "symbol" else ""
        raise Unrecognised(
            f"column {role}: found none among {_list(names)}, allowed is {' or '.join(NAMES[role])}, or "
            f"another "
            f"that is named with --columns {role}=NAME{nearest}{other}")


def _with_symbol(layout: Layout, names: Sequence[str], asked: RequestedFormat) -> Layout:
    """Return the layout; raise `Unrecognised` where the user names a symbol although there is a column of
    symbols."""
    if asked.symbol is not None and "symbol" in layout.places:
        raise Unrecognised(f"feed.replay.symbol: found {asked.symbol!r}, allowed is none: the file's "
                           f"symbols are in its column {names[layout.places['symbol']]!r}")
    return layout


def _fits(known: Format, rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether every value of every row is of the kind that the format has in its column."""
    kinds = [kind for kind, _ in known.columns]
    width = len(rows[0])
    return known.required <= width <= len(kinds) and all(
        len(row) == width and all(
            _is_instant(value, known.units) if kind == "instant" else KINDS[kind](value)
            for kind, value in zip(kinds, row, strict=False))
        for row in rows)


NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
KINDS: Mapping[str, Callable[[str], bool]] = {
    "whole": lambda value: re.fullmatch(r"-?[0-9]{1,20}", value) is not None,
    "number": lambda value: NUMBER.fullmatch(value) is not None,
    "flag": lambda value: value.lower() in ("true", "false"),
    "text": lambda value: True,
}
"""A test for each kind of value. Instants are tested apart, since their units depend on the format."""


def _is_instant(value: str, units: Sequence[int]) -> bool:
    """Tell whether the text is an epoch number, in one of the units, of a year in which trades were
    recorded."""
    if not re.fullmatch(r"[0-9]{1,19}(\.[0-9]*)?", value):
        return False
    whole = int(value.partition(".")[0])
    return any(SECONDS[0] * unit <= whole < SECONDS[1] * unit for unit in units)


def _is_value(text: str) -> bool:
    """Tell whether the text is a value rather than a column's name."""
    return bool(NUMBER.fullmatch(text) or re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text))


def are_bars(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether columns two to five are open, high, low and close in every row."""
    if len(rows[0]) < 5:
        return False
    for row in rows:
        if len(row) < 5 or not all(NUMBER.fullmatch(value) for value in row[:5]):
            return False
        first, high, low, last = map(float, row[1:5])
        if not 0 < low <= min(first, last) or high < max(first, last) or high > 10 * low:
            return False
    return True


def are_quotes(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the rows look like quotes: of three columns, the third is never below the second and at
    most one hundredth above it."""
    if len(rows[0]) != 3 or len(rows) < 2:
        return False
    if not all(len(row) == 3 and all(NUMBER.fullmatch(value) for value in row[1:]) for row in rows):
        return False
    pairs = [(float(row[1]), float(row[2])) for row in rows]
    return all(0 < bid <= ask <= 1.01 * bid for bid, ask in pairs) and any(a != b for a, b in pairwise(pairs))


def _format_text(known: Format) -> str:
    """Return the format's title and columns in words."""
    names = [column.partition("|")[0] for _, column in known.columns]
    optional = f" and perhaps {', '.join(names[known.required:])}" if names[known.required:] else ""
    return f"{known.title}: {','.join(names[:known.required])}{optional}"


def _list(names: Sequence[str]) -> str:
    """Return the names joined with commas, cut to 120 characters."""
    text = ",".join(names)
    return repr(text if len(text) <= 120 else f"{text[:119]}…")
