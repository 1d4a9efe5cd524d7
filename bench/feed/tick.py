"""A tick: one trade of one symbol, with the instant at which it was due.

A tick is one JSON object on one line:

    {"index":41,"seq":42,"due_ns":4100000000,"symbol":"AAA","price":23.82,"size":100}

and, if the scenario asks for book levels, `"bids"` and `"asks"`: lists of `[price, size]`, best
first. A message that was written by hand may have a `"text"` (`bench.uplink.message`). `index` is the
tick's place in the schedule, equal in every life of the publisher; `seq` counts from 1 within one
life (an epoch). `due_ns` is on the run clock, and latency is counted from it.
A size is whole, or a fraction for goods that are traded in fractions (0.0031 of a coin).

If the scenario asks for the `compact` encoding, a tick is about 20 characters instead:

    [41,42,23.82,100,"AAA"]                 index, seq, price, size, symbol

Its due instant is then only in the schedule, from which the evaluation takes it in any case; book and
text are left out.

The publisher encodes a tick once, and servers pass on the very same bytes, so that "payload" means the
same number of bytes for every transport. Lines are kept, so they are copied: the bytes that orjson returns
hold the whole block that they were written into, 4 kB for a tick of 87 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

Size = int | float
"""A traded quantity; whole numbers stay whole in the line."""
Level = tuple[float, Size]
"""One level of an order book: price and size."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One update of the feed."""

    index: int
    seq: int
    due_ns: int
    symbol: str
    price: float
    size: Size
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    text: str | None = None


def encode(tick: Tick) -> bytes:
    """Return the tick's line, without the line feed."""
    fields: dict[str, object] = {
        "index": tick.index,
        "seq": tick.seq,
        "due_ns": tick.due_ns,
        "symbol": tick.symbol,
        "price": tick.price,
        "size": tick.size,
    }
    if tick.bids or tick.asks:
        fields["bids"] = tick.bids
        fields["asks"] = tick.asks
    if tick.text is not None:
        fields["text"] = tick.text
    return bytes(memoryview(orjson.dumps(fields)))


def encode_compact(tick: Tick) -> bytes:
    """Return the tick's line in the compact encoding; `contract.tick_fields` reads it."""
    return bytes(memoryview(orjson.dumps((tick.index, tick.seq, tick.price, tick.size, tick.symbol))))


ENCODERS = {"object": encode, "compact": encode_compact}
"""The encoders, by the scenario's `feed.encoding`."""


def decode(line: bytes) -> Tick:
    """Return the tick of a line; the inverse of `encode`. Raises `ValueError` if the line is not a tick."""
    try:
        fields = orjson.loads(line)
        return Tick(
            index=fields["index"],
            seq=fields["seq"],
            due_ns=fields["due_ns"],
            symbol=fields["symbol"],
            price=fields["price"],
            size=fields["size"],
            bids=tuple((price, size) for price, size in fields.get("bids", ())),
            asks=tuple((price, size) for price, size in fields.get("asks", ())),
            text=fields.get("text"),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a tick: {line[:80]!r}") from error
