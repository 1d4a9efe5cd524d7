"""Answers to polls: a batch encoded once for all who ask the same, and its entity tag.

The entity tag of an answer is the cursor that it leads to, in quotes. An empty answer to a request
after the cursor C is tagged with C itself: it leaves the client where it was, and C's tag is the one
that the client can name. So

    GET /ticks?after=C   If-None-Match: "C"

is answered 304 as long as nothing new has come for the subscription, even while the head moves on by
ticks of other symbols; and 200 with the news, under another tag, once there are any.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.contract import Batch, Request, encode_batch


@dataclass(frozen=True, slots=True)
class Answer:
    """A batch, encoded."""

    batch: Batch
    body: bytes
    tag: str

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing new in it."""
        return not self.batch.ticks


def answer_of(request: Request, batch: Batch) -> Answer:
    """The answer to `request` that hands over `batch`."""
    stays = request.after is not None and not batch.ticks
    cursor = request.after if stays else batch.cursor
    return Answer(batch, encode_batch(batch), f'"{cursor}"')


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether an `If-None-Match` header names the tag (RFC 9110 §13.1.2; weak comparison)."""
    if if_none_match is None:
        return False
    if if_none_match == tag:
        return True
    listed = (entry.strip().removeprefix("W/") for entry in if_none_match.split(","))
    return any(entry in (tag, "*") for entry in listed)
