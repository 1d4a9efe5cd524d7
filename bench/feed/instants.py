"""Instants of trade files: to whole nanoseconds since 1970, and back to the format of the file.

    1704067200.5 · 1704067200500 · …      epoch numbers: seconds below 1e11, then milliseconds below 1e14,
                                          microseconds below 1e17, nanoseconds beyond
    2024-01-01T00:00:00.5+09:00           dates and times of day in ISO 8601; without a zone they are UTC

Numbers are read as whole numbers and never through a float, since a float of 1.4e9 seconds is off by 100 ns
and more. Doubles in Parquet are read to the microsecond, a precision that they have until 2255. A value that
can't be the instant of a trade was misread and is rejected: epoch numbers before 1991, dates before 1971.

Known weakness: digits beyond the nanosecond are dropped.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

NS = 1_000_000_000
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

INSTANT_MAX_NS = 7_258_118_400_000_000_000
"""The year 2200. A later instant is a mistake; 64 bits of nanoseconds end in 2262."""
NUMBER_MIN_NS = 662_688_000_000_000_000
"""The year 1991, for epoch numbers (see `bench.scenario.trade_formats.SECONDS`)."""
DATE_MIN_NS = 31_536_000_000_000_000
"""The year 1971, for dates: a number that was converted in a wrong unit gives a date in 1970."""
UNITS_NS = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000))
"""(bound, unit in ns): an epoch number below the bound is in this unit; above all bounds it is in ns."""
UNIT_NAMES = {1_000_000_000: "seconds", 1_000_000: "milliseconds", 1_000: "microseconds", 1: "nanoseconds"}
EPOCH_NUMBER = r"^[0-9]{1,19}(\.[0-9]*)?$"



def timestamps(stamps: pa.Array) -> tuple[Ints, Bools]:
    """Return Parquet's timestamps in ns, and a mask of those that are missing or out of range."""
    scale = {"s": NS, "ms": 1_000_000, "us": 1_000, "ns": 1}[stamps.type.unit]
    return whole_numbers(stamps, scale)


def whole_numbers(stamps: pa.Array, unit_ns: int) -> tuple[Ints, Bools]:
    """Return whole numbers of a unit in ns, and a mask of those that are missing or out of range."""
    missing = stamps.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_uint64(stamps.type):
        stamps = pc.min_element_wise(stamps, pa.scalar(2**63 - 1, pa.uint64()))
    values = pc.fill_null(stamps.cast(pa.int64()), 0).to_numpy()
    beyond = (values > INSTANT_MAX_NS // unit_ns) | (values < 0)
    return np.where(beyond, 0, values) * unit_ns, missing | beyond


def doubles(stamps: pa.Array, unit_ns: int) -> tuple[Ints, Bools]:
    """Return doubles of a unit in ns, to the microsecond, and a mask of those that are no instants."""
    values = stamps.to_numpy(zero_copy_only=False)
    bad = ~(np.isfinite(values) & (values >= 0) & (values <= INSTANT_MAX_NS / unit_ns))
    micros = np.round(np.where(bad, 0, values) * (unit_ns // 1_000))
    return micros.astype(np.int64) * 1_000, bad


def unit_of(text: str) -> int | None:
    """Return the unit of an epoch number in ns, from its magnitude; None if the text is no number."""
    try:
        number = abs(float(text))
    except ValueError:
        return None
    return next((unit for bound, unit in UNITS_NS if number < bound), 1)


def are_of_trades(instants: Ints, unit_ns: int | None) -> Bools:
    """Return a mask of the instants that can be those of trades.

    `unit_ns` is the unit of their epoch numbers, None for dates.
    """
    least = DATE_MIN_NS if unit_ns is None else NUMBER_MIN_NS
    good: Bools = (instants >= least) & (instants <= INSTANT_MAX_NS)
    return good


def number_as_ns(text: str, unit_ns: int) -> int:
    """Return an epoch number in ns, computed without a float; -1 if the text is not one."""
    found = re.fullmatch(r"([0-9]{1,19})(?:\.([0-9]*))?", text.strip())
    if not found:
        return -1
    digits = len(str(unit_ns)) - 1
    return int(found[1]) * unit_ns + int((found[2] or "").ljust(digits, "0")[:digits] or "0")


def as_number(instant_ns: int, unit_ns: int) -> str:
    """Return an instant (ns since 1970) as the text of an epoch number of the unit, exactly."""
    whole, rest = divmod(instant_ns, unit_ns)
    digits = len(str(unit_ns)) - 1
    return f"{whole}.{rest:0{digits}}".rstrip("0") if rest else str(whole)


def date_as_ns(text: str) -> int:
    """Return a date and time in ns since 1970; -1 if the text is not one, or is out of range."""
    try:
        found = pd.to_datetime(pd.Series([text]), format="ISO8601", utc=True, errors="coerce")
        if found.isna().iloc[0]:
            return -1
        return int(found.to_numpy(dtype="datetime64[ns]").astype(np.int64)[0])
    except (ValueError, TypeError, OverflowError):
        return -1


def as_iso(instant_ns: int) -> str:
    return pd.Timestamp(instant_ns, unit="ns").isoformat()


def dates(text: pa.Array) -> tuple[Ints, Bools]:
    """Return ISO 8601 dates and times in ns, and a mask of the texts that are not valid."""
    try:
        times = pd.to_datetime(text.to_pandas(), format="ISO8601", utc=True, errors="coerce")
        instants = times.astype("datetime64[ns, UTC]").to_numpy(dtype="datetime64[ns]").astype(np.int64)
    except (ValueError, TypeError, OverflowError):   # out of range: find the row
        each = [date_as_ns(value) for value in text.to_pylist()]
        return np.array(each, dtype=np.int64), np.array([value < 0 for value in each])
    is_day = pc.utf8_length(text).to_numpy(zero_copy_only=False) <= len("2024-01-01")
    return instants, times.isna().to_numpy() | is_day


def epoch_numbers(text: pa.Array, unit_ns: int) -> tuple[Ints, Bools]:
    """Return epoch numbers given as text in ns, exact to the nanosecond, and a mask of the texts that are
    none."""
    bad = ~pc.match_substring_regex(text, EPOCH_NUMBER).to_numpy(zero_copy_only=False)
    if bad.any():
        text = pc.if_else(pa.array(bad), "0", text)
    digits = len(str(unit_ns)) - 1
    text = pc.replace_substring_regex(text, rf"\.([0-9]{{0,{digits}}})[0-9]*$", r".\1")
    text = pc.utf8_rtrim(text, ".")
    exact = pc.cast(text, pa.decimal128(19 + digits, digits))
    # A decimal is 16 bytes, the lower half first, and counts in units of its last digit: nanoseconds.
    halves = np.frombuffer(exact.buffers()[1], dtype="<u8").reshape(-1, 2)
    halves = halves[exact.offset:exact.offset + len(text)]
    beyond = (halves[:, 1] != 0) | (halves[:, 0] > INSTANT_MAX_NS)
    return np.where(beyond, 0, halves[:, 0]).astype(np.int64), bad | beyond
