"""The format of messages: what is written is read again, and whatever else comes is refused with a word."""

from __future__ import annotations

import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.uplink.message import (
    BEGINNINGS,
    INDEX_MAX,
    Answer,
    Message,
    accepted,
    answer_of,
    checked,
    decode,
    encode,
    index_of,
    refused,
)
from bench.wire.contract import Refusal

SYMBOLS = frozenset({"AAA", "AAB"})
BYTES_MAX = 200
GOOD = Message(41, 7, "AAA", 23.82, 100)
WORDS = {"bad-request", "too-large", "unknown-symbol"}

numbers = st.integers(0, INDEX_MAX)
amounts = st.one_of(st.integers(0, 10**9), st.floats(0, 1e9))
messages = st.builds(
    Message, st.one_of(st.none(), numbers), numbers, st.sampled_from(sorted(SYMBOLS)),
    amounts.filter(lambda amount: amount > 0), amounts, st.one_of(st.none(), st.text(max_size=8)))
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2**63, 2**64 - 1), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=6)),
    max_leaves=12)


@given(messages)
def test_a_message_is_read_as_it_was_written(message: Message) -> None:
    line = encode(message)
    assert b"\n" not in line
    assert decode(line) == checked(line, SYMBOLS, BYTES_MAX) == message
    assert index_of(line) == message.index


def word_of(data: bytes) -> str:
    """Return the word of the refusal of a message; empty where it is taken, and then only because it is a whole one."""
    found: Message | Refusal
    try:
        found = checked(data, SYMBOLS, BYTES_MAX)
    except Refusal as refusal:
        found = refusal
    if isinstance(found, Refusal):
        assert found.code in WORDS
        assert answer_of(refused(found, index_of(data))) == Answer(index_of(data), found.code)
        return found.code
    assert found.symbol in SYMBOLS
    assert decode(encode(found)) == found
    return ""


@given(st.one_of(st.binary(max_size=300), anything.map(lambda value: orjson.dumps(value, default=str))))
def test_whatever_comes_is_a_message_or_refused_with_a_word(data: bytes) -> None:
    assert word_of(data) in {"", *WORDS}


@given(st.sampled_from(["index", "author", "symbol", "price", "size", "text", "more"]), anything)
def test_a_field_of_another_kind_is_refused(name: str, value: object) -> None:
    data = orjson.dumps(orjson.loads(encode(GOOD)) | {name: value})
    if not word_of(data):
        assert name != "more"
        assert type(getattr(decode(data), name)) is {"symbol": str, "text": str}.get(name, type(value))
        assert type(value) not in (bool, type(None))


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_thousands_of_spoilt_messages_break_nothing(seed: int) -> None:
    """Each of the drawn examples spoils a message in a thousand ways."""
    rng, good = random.Random(seed), encode(GOOD)
    for _ in range(1000):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(data) + 1)
            kind = rng.randrange(4)
            if kind == 0:
                data[at:at] = rng.randbytes(rng.randrange(1, 4))
            elif kind == 1:
                del data[at : at + rng.randrange(1, 9)]
            elif kind == 2:
                data[at:at] = rng.choice((b"\n", b"{", b"}", b'"', b"[" * 50, b"1e999", b"\xff", b"null", b"," * 3))
            else:
                data[at:at] = data[: rng.randrange(len(data) + 1)]
        assert word_of(bytes(data)) in {"", *WORDS}


@pytest.mark.parametrize(("data", "word"), [
    (b"", "bad-request"),
    (b"null", "bad-request"),
    (b"[" * 5000, "too-large"),
    (b"[" * 150, "bad-request"),
    (encode(GOOD) + b"\n" + encode(GOOD), "bad-request"),
    (encode(GOOD._replace(symbol="ZZZ")), "unknown-symbol"),
    (encode(GOOD).replace(b"23.82", b"0"), "bad-request"),
    (encode(GOOD).replace(b"23.82", b"1e999"), "bad-request"),
    (encode(GOOD).replace(b"23.82", b"NaN"), "bad-request"),
    (encode(GOOD).replace(b":41", b":-1"), "bad-request"),
    (encode(GOOD).replace(b":41", b":4294967296"), "bad-request"),
    (encode(GOOD).replace(b":41", b":true"), "bad-request"),
    (encode(GOOD).replace(b'"AAA"', b'{"a":"AAA"}'), "bad-request"),
    (encode(GOOD).replace(b'"AAA"', b'"\\ud800"'), "bad-request"),
    (encode(GOOD) + b" " * BYTES_MAX, "too-large"),
    (encode(GOOD), ""),
])
def test_each_mistake_has_its_word(data: bytes, word: str) -> None:
    assert word_of(data) == word


@given(numbers, st.one_of(st.none(), numbers), st.text(max_size=40))
def test_an_answer_is_read_as_it_was_written(index: int, other: int | None, detail: str) -> None:
    answers = accepted(index), refused(Refusal("too-many", detail), other)
    assert [answer_of(each) for each in answers] == [Answer(index, None), Answer(other, "too-many")]
    assert all(each.startswith(BEGINNINGS) for each in answers)


@given(st.one_of(st.binary(max_size=60), anything.map(lambda value: orjson.dumps(value, default=str))))
def test_no_other_bytes_are_an_answer(data: bytes) -> None:
    try:
        answer = answer_of(data)
    except ValueError:
        return
    assert orjson.loads(data).get("accepted", answer.index) == answer.index
