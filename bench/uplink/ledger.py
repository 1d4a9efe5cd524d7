"""The decision on a message: numbered, known already, or refused.

    message ─► in the schedule, by this author, in this room? ── no ──► refused: not-author
                        │ yes
                        ├ numbered before, in this life or an earlier one ──► accepted again, and not handed out again
                        └ else ──► numbered: the next `seq` of this life

A message is accepted once it is numbered. An author that lost the answer sends it again and gets the same answer,
from a restarted exchange too, since the log of each life is on disk (`bench.feed.log`). The ticks of an earlier life
are gone for clients that had not got them: that is the loss of an epoch, and shows as lost updates.

Known weakness: a message may be sent before its due instant, and is then numbered. The audit notices, since no update
arrives before it is due.
"""

from __future__ import annotations

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

    def take(self, message: Message) -> bool:
        """Return True if the message is new and is to be numbered, False if it was numbered before.

        Raises `Refusal` (`not-author`) if the schedule has no such message of this author in this room.
        """
        index, schedule = message.index, self._schedule
        if index >= len(schedule) or self._authors[index] != message.author:
            raise Refusal("not-author", f"client {message.author} is not the author of message {index}")
        if schedule.symbols[schedule.symbol[index]] != message.symbol:
            raise Refusal("not-author", f"message {index} is not one of the room {message.symbol[:40]!r}")
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
