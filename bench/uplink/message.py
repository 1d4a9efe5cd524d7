"""The format of a message and of its answer, and the checks that need no state.

    author ─► {"index":41,"author":7,"symbol":"AAA","price":23.82,"size":100}
           ◄─ {"accepted":41}                                           or
           ◄─ {"error":"too-many","detail":"…","index":41}              the index is null where it could not be read

A message is one JSON object with these five fields. `index` is its place in the schedule and its identity,
`symbol` its room, `price` and `size` its content. A message that is written by hand (`tickertape serve`) may leave
`index` out, and then takes the next free place; it may have a `text`, too, which a comparison of transports does not
need. No other field is allowed. Over HTTP it is the body of `POST /messages`, answered with 202 or with the status of
the refusal; over a WebSocket it is a message, answered by one. The answer's bytes are the same on both.

A server writes a message anew before it forwards it (`encode`), so that nothing of an author's bytes, such as a
line feed or a field that is given twice, gets beyond the server.

Known weakness: an author names itself. A server can't know who somebody is; the exchange refuses a message that its
schedule does not have, and that is all.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import orjson

from bench.wire.contract import Refusal

INDEX_MAX = 2**32 - 1
"""The largest index and the largest number of an author that a record can hold."""
FIELDS = ("index", "author", "symbol", "price", "size")
"""The fields of a message of a schedule."""
BY_HAND = {"index", "text"}
"""The fields that a message may have or leave out where it is written by hand."""
BEGINNINGS = (b'{"accepted"', b'{"error"')
"""The first bytes of every answer; no tick and no batch begins with them."""


class Message(NamedTuple):
    """One message of an author."""

    index: int | None   # type: ignore[assignment]  # not a tuple's method
    """Its place in the schedule; None: the next free one."""
    author: int
    """The number of the client that sends it."""
    symbol: str
    """Its room."""
    price: float
    size: float
    text: str | None = None
    """The words of a person; None for a message of a schedule."""


class Answer(NamedTuple):
    """The answer to a message."""

    index: int | None   # type: ignore[assignment]
    """None where the server could not read it."""
    refusal: str | None
    """The word of the refusal; None where the message was accepted."""


def encode(message: Message) -> bytes:
    """Return a message as JSON, without a line feed."""
    return orjson.dumps({name: value for name, value in message._asdict().items() if value is not None})


def decode(data: bytes) -> Message:
    """Return the message that `data` encodes. Raises `Refusal` (`bad-request`) if it is none."""
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise Refusal("bad-request", "a message is a JSON object") from None
    if type(fields) is not dict or fields.keys() - BY_HAND != set(FIELDS) - BY_HAND:
        raise Refusal("bad-request", f"a message has the fields {', '.join(FIELDS)}, and no others")
    has_index = "index" in fields
    message = Message(**fields) if has_index else Message(index=None, **fields)
    if not ((_is_number(message.index) or not has_index) and _is_number(message.author)):
        raise Refusal("bad-request", f"index and author are whole numbers from 0 to {INDEX_MAX}")
    if type(message.symbol) is not str or type(fields.get("text", "")) is not str:
        raise Refusal("bad-request", "symbol is a text, and so is text where there is one")
    if not (_is_amount(message.price) and message.price > 0 and _is_amount(message.size)):
        raise Refusal("bad-request", "price is a number above 0, and size one of 0 or more")
    return message


def index_of(data: bytes) -> int | None:
    """Return the index that a message names, even if it is no valid one otherwise; None if it names none."""
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    index: Any = fields.get("index") if type(fields) is dict else None
    return index if _is_number(index) else None


def checked(data: bytes, symbols: Collection[str], bytes_max: int) -> Message:
    """Return the message that `data` encodes, if a server of `symbols` takes it.

    Raises `Refusal`: `too-large` above `bytes_max` bytes, `bad-request`, `unknown-symbol`.
    """
    if len(data) > bytes_max:
        raise Refusal("too-large", f"a message has at most {bytes_max} bytes")
    message = decode(data)
    if message.symbol not in symbols:
        raise Refusal("unknown-symbol", f"the feed has no symbol {message.symbol[:80]!r}")
    return message


def accepted(index: int) -> bytes:
    """Return the answer to a message that was numbered."""
    return b'{"accepted":%d}' % index


def refused(refusal: Refusal, index: int | None) -> bytes:
    """Return the answer to a message that was refused."""
    return orjson.dumps({"error": refusal.code, "detail": refusal.detail, "index": index})


def answer_of(data: bytes) -> Answer:
    """Return the answer that `data` encodes. Raises `ValueError` if it is none."""
    fields = orjson.loads(data)
    if type(fields) is dict and _is_number(fields.get("accepted")):
        return Answer(fields["accepted"], None)
    if type(fields) is dict and type(fields.get("error")) is str:
        index = fields.get("index")
        if index is None or _is_number(index):
            return Answer(index, fields["error"])
    raise ValueError(f"not an answer to a message: {data[:80]!r}")


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= INDEX_MAX


def _is_amount(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0   # type: ignore[arg-type,operator]
