"""Instants: exact to the nanosecond, and there and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.feed import instants

FIRST, LAST = instants.NUMBER_MIN_NS, instants.INSTANT_MAX_NS
UNITS = [1_000_000_000, 1_000_000, 1_000, 1]


@given(st.lists(st.integers(FIRST, LAST), min_size=1, max_size=20), st.sampled_from(UNITS))
def test_a_number_is_read_back_to_the_nanosecond(wanted: list[int], unit_ns: int) -> None:
    texts = [instants.as_number(each, unit_ns) for each in wanted]
    assert [instants.number_as_ns(text, unit_ns) for text in texts] == wanted
    found, bad = instants.epoch_numbers(pa.array(["0", *texts])[1:], unit_ns)
    assert found.tolist() == wanted
    assert not bad.any()
    assert {instants.unit_of(text) for text in texts} == {unit_ns}


@given(st.integers(instants.DATE_MIN_NS, LAST - 1))
def test_a_date_is_read_back_to_the_nanosecond(wanted: int) -> None:
    text = instants.as_iso(wanted)
    assert instants.date_as_ns(text) == wanted
    assert instants.dates(pa.array([text]))[0].tolist() == [wanted]


@pytest.mark.parametrize("unit", UNITS)
def test_whole_numbers_and_doubles_beyond_what_can_be_kept_are_none(unit: int) -> None:
    signed, unsigned = [None, -1, 2**63 - 1, LAST // unit], [2**64 - 1, LAST // unit]
    for column in (pa.array(signed), pa.array(unsigned, pa.uint64())):
        found, bad = instants.whole_numbers(column, unit)
        assert bad.tolist() == [*[True] * (len(column) - 1), False]
        assert found[-1] == LAST // unit * unit
    _, bad = instants.doubles(pa.array([None, float("nan"), -1.0, 1e300, 1.0]), 1_000_000_000)
    assert bad.tolist() == [True, True, True, True, False]


@pytest.mark.parametrize("text", ["", "1e9", "-5", "1.2.3", "9" * 20, "soon", "0x10", "١"])
def test_what_is_no_epoch_number_is_marked(text: str) -> None:
    found, bad = instants.epoch_numbers(pa.array(["1704067200", text]), 1_000_000_000)
    assert bad.tolist() == [False, True]
    assert found[0] == 1_704_067_200 * instants.NS


@pytest.mark.parametrize(("ns", "unit_ns", "can_be"), [
    (FIRST - 1, 1, False), (FIRST, 1, True), (LAST + 1, 1, False), (FIRST - 1, None, True),
    (instants.DATE_MIN_NS - 1, None, False),
])
def test_instants_of_trades_are_of_their_years(ns: int, unit_ns: int | None, can_be: bool) -> None:
    assert instants.are_of_trades(np.array([ns]), unit_ns).tolist() == [can_be]
