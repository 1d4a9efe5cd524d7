from __future__ import annotations

import zlib
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.frames import Opcode as Theirs

from bench.wire.frames import (
    NO_CODE,
    BadFrame,
    Event,
    FrameReader,
    Opcode,
    close_code,
    close_frame,
    control_frame,
    unmasked,
)

LIMIT = 4096


def masked(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """Return a client's frame, as `websockets` writes it."""
    return Frame(Theirs(opcode), payload, fin).serialize(mask=True)


def read(data: bytes, cuts: tuple[int, ...] = (), deflates: bool = False) -> tuple[list[Event], int | None]:
    """Return what a reader finds in the pieces of `data`, and the close code with which it ended."""
    reader, found = FrameReader(LIMIT, deflates), []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    try:
        for begin, end in pairwise(edges):
            for event in reader.feed(data[begin:end]):
                found.append(event)   # one by one: what came before a bad frame counts
    except BadFrame as bad:
        return found, bad.code
    return found, None


messages = st.lists(st.one_of(
    st.tuples(st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125)),
    st.tuples(st.just(Opcode.TEXT), st.text(max_size=300).map(str.encode)),
    st.tuples(st.just(Opcode.BINARY), st.binary(max_size=300)),
), max_size=6)


@given(messages, st.lists(st.integers(0), max_size=8).map(tuple))
def test_frames_are_read_however_they_are_cut(sent: list[Event], cuts: tuple[int, ...]) -> None:
    data = b"".join(masked(opcode, payload) for opcode, payload in sent)
    assert read(data, cuts) == (sent, None)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.lists(st.integers(0), max_size=4).map(tuple))
def test_a_message_in_fragments_is_one_message_and_pings_may_come_between(
    parts: list[bytes], cuts: tuple[int, ...]
) -> None:
    data = b""
    for number, part in enumerate(parts):
        data += masked(0 if number else 2, part, fin=number == len(parts) - 1) + masked(9, b"?")
    found, code = read(data, cuts)
    assert code is None
    assert [event for event in found if event[0] is not Opcode.PING] == [(Opcode.BINARY, b"".join(parts))]
    assert len(found) == len(parts) + 1


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    whole = read(data)
    assert whole[1] in (None, 1002, 1007, 1009)
    assert read(data, tuple(range(len(data)))) == whole


@pytest.mark.parametrize(("data", "code"), [
    (masked(1, b"x" * LIMIT), None),
    (masked(1, b"x" * (LIMIT + 1))[:8], 1009),
    (b"\x82\xff" + (2**63 - 1).to_bytes(8, "big"), 1009),
    (masked(2, b"x" * LIMIT, fin=False) + masked(0, b"x"), 1009),
    (masked(1, b"\xff"), 1007),
    (masked(1, b"\xce", fin=False) + masked(0, b"\xba"), None),
    (masked(1, b"\xce", fin=False) + masked(0, b"x"), 1007),
    (b"\x81\x01x", 1002),
    (b"\xc1\x80" + bytes(4), 1002),
    (b"\x91\x80" + bytes(4), 1002),
    (b"\x89\xfe\x00\x7e", 1002),
    (b"\x09\x80" + bytes(4), 1002),
    (masked(0, b"x"), 1002),
    (masked(1, b"x", fin=False) + masked(1, b"x"), 1002),
    (b"\x83\x80" + bytes(4), 1002),
], ids=count())   # their masks are drawn, and two workers must collect the same names
def test_what_breaks_the_protocol_or_a_limit_has_its_close_code(data: bytes, code: int | None) -> None:
    assert read(data)[1] == code


def test_a_compressed_message_is_read_where_that_was_agreed_on() -> None:
    press = PerMessageDeflate(True, True, 15, 15)
    data = Frame(Theirs.TEXT, b"again and again " * 20).serialize(mask=True, extensions=[press])
    assert read(data, deflates=True) == ([(Opcode.TEXT, b"again and again " * 20)], None)
    assert read(data)[1] == 1002
    bomb = zlib.compressobj(wbits=-15)
    squeezed = (bomb.compress(bytes(10**6)) + bomb.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert read(b"\xc2" + masked(2, squeezed)[1:], deflates=True)[1] == 1009
    assert read(b"\xc2" + masked(2, b"\xff\xff\xff")[1:], deflates=True)[1] == 1002


@given(st.binary(max_size=70), st.binary(min_size=4, max_size=4))
def test_unmasking_is_its_own_inverse(payload: bytes, key: bytes) -> None:
    assert unmasked(unmasked(payload, key), key) == payload
    assert unmasked(payload, b"\x01\x02\x03\x04") == bytes(b ^ (1, 2, 3, 4)[i % 4] for i, b in enumerate(payload))


@pytest.mark.parametrize(("payload", "code"), [
    (b"", NO_CODE), (b"\x03\xe8", 1000), (b"\x03\xe8bye", 1000), (b"\x0f\xa0", 4000), (b"\x13\x87", 4999),
])
def test_a_close_frame_has_a_code_or_none(payload: bytes, code: int) -> None:
    assert close_code(payload) == code


@pytest.mark.parametrize(("payload", "code"), [
    (b"\x03", 1002), (b"\x03\xed", 1002), (b"\x03\xee", 1002), (b"\x13\x88", 1002), (b"\x00\x01", 1002),
    (b"\x03\xe8\xff", 1007),
])
def test_a_wrong_close_frame_is_refused(payload: bytes, code: int) -> None:
    with pytest.raises(BadFrame) as caught:
        close_code(payload)
    assert caught.value.code == code


def test_control_frames_are_those_of_the_standard() -> None:
    assert control_frame(Opcode.PING) == b"\x89\x00"
    assert close_frame(4009, "other-epoch e2:0") == b"\x88\x12\x0f\xa9other-epoch e2:0"
    assert close_frame(NO_CODE) == b"\x88\x00"
    long = close_frame(1000, "€" * 99)
    assert len(long) <= 127
    assert close_code(long[2:]) == 1000
