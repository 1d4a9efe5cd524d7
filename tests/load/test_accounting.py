from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.load.accounting import Accounting
from bench.measure.recording import DELIVERY, SKIP, Rows

# The window's indices are 10…19: AAA the even ones, BBB the odd ones.
LAST = {"AAA": 18, "BBB": 19}
DUE = {"AAA": 5, "BBB": 5}


def deliveries(*rows: tuple[int, int]) -> Rows:
    """Return rows of (client, index)."""
    return np.array([(client, index, 0, 0, 0) for client, index in rows], DELIVERY)


def skips(*clients: int) -> Rows:
    return np.array([(client, 0, 1, 0, 0, 0) for client in clients], SKIP)


def accounting(*symbols: frozenset[str] | None) -> Accounting:
    return Accounting(10, LAST, DUE, symbols)


@given(st.permutations([(client, index) for client in range(2) for index in range(8, 22)]), st.integers(1, 7))
def test_all_is_accounted_for_with_the_last_that_was_missing_in_whatever_order(
    order: list[tuple[int, int]], size: int
) -> None:
    account = accounting(None, None)
    owed = {(client, index) for client in range(2) for index in range(10, 20)}
    for begin in range(0, len(order), size):
        account.take(deliveries(*order[begin : begin + size], *order[:2]))   # some come again and again
        seen = set(order[: begin + size])
        missing = sum(bool({entry for entry in owed - seen if entry[0] == client}) for client in range(2))
        assert account.missing == missing
    assert account.missing == 0


def test_a_client_is_owed_its_own_symbols_only() -> None:
    account = accounting(frozenset({"AAA"}), frozenset({"BBB"}), frozenset({"ZZZ"}))
    assert account.missing == 2
    account.take(deliveries(*((0, index) for index in range(10, 20, 2))))
    assert account.missing == 1
    account.take(deliveries(*((1, index) for index in range(11, 20, 2))))
    assert account.missing == 0


def test_an_index_after_the_window_settles_nothing_while_something_is_missing() -> None:
    account = accounting(None)
    account.take(deliveries(*((0, index) for index in range(10, 19)), (0, 30)))
    assert account.missing == 1


def test_where_skips_were_declared_the_last_index_settles() -> None:
    account = accounting(None, None)
    account.take_skips(skips(0))
    account.take(deliveries((0, 12), (0, 18), (1, 19)))
    assert account.missing == 2
    account.take(deliveries((0, 21)))
    assert account.missing == 1   # client 1 was told of no skips, and waits for what is missing


def test_where_messages_are_numbered_in_any_order_the_last_index_settles_nothing() -> None:
    account = Accounting(10, LAST, DUE, [None], in_order=False)
    account.take_skips(skips(0))
    account.take(deliveries((0, 19), (0, 21)))   # 18 may be numbered after them
    assert account.missing == 1
    account.take(deliveries(*((0, index) for index in range(10, 19))))
    assert account.missing == 0


def test_a_window_in_which_nothing_is_due() -> None:
    assert Accounting(10, {}, {}, [None, None]).missing == 0
