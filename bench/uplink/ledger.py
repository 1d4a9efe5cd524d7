"""The decision on a message: numbered, known already, or refused.

    message ─► in the schedule, by this author, in this room? ── no ──► refused: not-author
                        │ yes
                        ├ numbered before, in this life or an earlier one ──► accepted again, and not handed out again
                        └ else ──► numbered: the next `seq` of this life

A message is accepted once it is numbered. An author that lost the answer sends it again and gets the same answer,
from a restarted exchange too, since the log of each life is on disk (`bench.feed.log`). The ticks of an earlier life
are gone for clients that had not got them: that is the loss of an epoch, and shows as lost updates.

Where people write by hand (`OpenLedger`), nobody knows the free places: a message without an index takes the next one,
whoever wrote it, and is due when it comes. One with an index is numbered once, as above.

Known weakness: a message may be sent before its due instant, and is then numbered. The audit notices, since no update
arrives before it is due.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.feed.log import RECORDS
from bench.feed.schedule import Schedule
from bench.uplink.message import Message
from bench.wire.contract import Refusal


class Ledger:
    """The messages of a schedule, and those that are numbered already."""

    def __init__(
        self, schedule: Schedule, authors: npt.NDArray[np.int64], numbered: npt.NDArray[np.bool_] | None = None
    ) -> None:
        assert len(authors) == len(schedule), "each message has an author"
        self._schedule = schedule
        self._authors = authors
        self._numbered = np.zeros(len(schedule), dtype=np.bool_) if numbered is None else numbered

    def placed(self, message: Message) -> Message:
        """Return the message with its place. Raises `Refusal` (`bad-request`) if it can only be written by hand."""
        if message.index is None or message.text is not None:
            raise Refusal("bad-request", "a message of a schedule has an index, and no text")
        return message

    def due_ns(self, index: int, warmup_ns: int, now_ns: int) -> int:
        """Return the instant at which a message was due, on the run clock."""
        return warmup_ns + int(self._schedule.offset_ns[index])

    def take(self, message: Message) -> bool:
        """Return True if the message is new and is to be numbered, False if it was numbered before.

        Raises `Refusal` (`not-author`) if the schedule has no such message of this author in this room.
        """
        index, schedule = message.index, self._schedule
        assert index is not None, "it has been placed"
        if index >= len(schedule) or self._authors[index] != message.author:
            raise Refusal("not-author", f"client {message.author} is not the author of message {index}")
        if schedule.symbols[schedule.symbol[index]] != message.symbol:
            raise Refusal("not-author", f"message {index} is not one of the room {message.symbol[:40]!r}")
        if self._numbered[index]:
            return False
        self._numbered[index] = True
        return True


class OpenLedger:
    """The places of a feed that is written by hand: `places` in all, for anybody, in the rooms `symbols`."""

    def __init__(self, places: int, symbols: Collection[str]) -> None:
        self._symbols = frozenset(symbols)
        self._numbered = np.zeros(places, dtype=np.bool_)
        self._next = 0

    def placed(self, message: Message) -> Message:
        """Return the message with its place: its own, or the next free one. Raises `Refusal` (`no-feed`) if all are
        taken."""
        if message.index is not None:
            return message
        while self._next < len(self._numbered) and self._numbered[self._next]:
            self._next += 1
        if self._next == len(self._numbered):
            raise Refusal("no-feed", f"all {len(self._numbered)} places of the feed are taken; start it anew")
        return message._replace(index=self._next)

    def due_ns(self, index: int, warmup_ns: int, now_ns: int) -> int:
        """Return the instant at which a message was due, which is when it came."""
        return now_ns

    def take(self, message: Message) -> bool:
        """Return True if the message is new and is to be numbered, False if its place was numbered before.

        Raises `Refusal`: `unknown-symbol`, or `not-author` for a place that there is not.
        """
        index = message.index
        assert index is not None, "it has been placed"
        if message.symbol not in self._symbols:
            raise Refusal("unknown-symbol", f"the feed has no symbol {message.symbol[:80]!r}")
        if index >= len(self._numbered):
            raise Refusal("not-author", f"the feed has {len(self._numbered)} places, and no place {index}")
        if self._numbered[index]:
            return False
        self._numbered[index] = True
        return True


def numbered_before(folder: Path, messages: int) -> npt.NDArray[np.bool_]:
    """Return for each of `messages` indices True if an earlier life, whose log is in `folder`, has numbered it."""
    numbered = np.zeros(messages, dtype=np.bool_)
    for path in folder.glob("feed.*.log"):
        numbered |= np.fromfile(path, dtype=RECORDS)[:messages]["seq"] > 0
    return numbered
