"""The early end of the drain, once everything that was owed has arrived.

A client is accounted for when it has received as many different indices of the window [t0, t1) as were
due for its symbols. Where the server declared skips to it (conflation, a slow client's policy) that
count is never reached; then a client is accounted for once it has received an index at or after the
last one that was due for it, since every response delivers or declares all earlier indices. Messages of clients are
numbered in another order than that of their indices, so there (`in_order` is False) this settles nothing.

This only ends a drain early: a client that is not accounted for is waited for until the drain is over,
and the fates of its ticks are judged from the records, not here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.measure.recording import Rows
from bench.records.trial_record import WindowInstants


@dataclass(frozen=True, slots=True)
class Window:
    """The measuring window, and the ticks that are due in it."""

    instants: WindowInstants
    first_index: int
    last_index: Mapping[str, int]
    """By symbol."""
    due: Mapping[str, int]
    """By symbol."""

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Window:
        """Read the runner's message `windows`."""
        names = ("warmup_ns", "t0_ns", "t1_ns", "late_after_ns")
        return cls(WindowInstants(*(int(message[name]) for name in names)),
                   message["first_index"], message["last_index"], message["due"])


class Accounting:
    """The updates that each client is owed, and those that have arrived.

    Clients are numbered `apart` from each other, as in a worker that has every second one.

    `first_index` is the first schedule index due in the window, `last_index` the last by symbol and
    `due` the number by symbol; `symbols` are each client's (None: all).
    """

    def __init__(
        self,
        first_index: int,
        last_index: Mapping[str, int],
        due: Mapping[str, int],
        symbols: Sequence[frozenset[str] | None],
        apart: int = 1,
        in_order: bool = True,
    ) -> None:
        self._apart = apart
        self._in_order = in_order
        wanted = [due.keys() if mine is None else due.keys() & mine for mine in symbols]
        self._due = np.array([sum(due[symbol] for symbol in mine) for mine in wanted], np.int64)
        self._last = np.array(
            [max((last_index[symbol] for symbol in mine), default=-1) for mine in wanted], np.int64
        )
        self._first = first_index
        self._span = max(last_index.values(), default=first_index) - first_index + 1
        self._seen = np.zeros(len(symbols) * self._span, np.bool_)
        self._received = np.zeros(len(symbols), np.int64)
        self._newest = np.full(len(symbols), -1, np.int64)
        self._skipping = np.zeros(len(symbols), np.bool_)

    def take(self, deliveries: Rows) -> None:
        """Count deliveries."""
        client = deliveries["client"].astype(np.int64) // self._apart
        index = deliveries["index"].astype(np.int64)
        np.maximum.at(self._newest, client, index)
        place = index - self._first
        within = (place >= 0) & (place < self._span)
        cell = client[within] * self._span + place[within]
        new = np.unique(cell[~self._seen[cell]])
        self._seen[new] = True
        self._received += np.bincount(new // self._span, minlength=len(self._received))

    def take_skips(self, skips: Rows) -> None:
        """Count declared skips."""
        self._skipping[skips["client"] // self._apart] = True

    @property
    def missing(self) -> int:
        """Return the number of clients that are not accounted for."""
        return int(np.count_nonzero(~self._accounted()))

    def _accounted(self) -> npt.NDArray[np.bool_]:
        complete = self._received >= self._due
        passed = self._in_order & self._skipping & (self._newest >= self._last)
        return np.logical_or(complete, passed)
