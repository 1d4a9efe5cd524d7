from __future__ import annotations

from bench.transports.poll_sizes import skips
from bench.transports.push_sizes import push_sizes
from bench.wire.contract import Batch, encode_batch
from bench.wire.options import PushWire
from bench.wire.sizes import CLIENT_FIRST, Conversation, Sizes

SAID = Conversation((b"1", b"333"))
OWN = Sizes(hello_bytes_up=7, pressed_bare_bytes=3.0, closing=CLIENT_FIRST)


def test_a_push_has_its_own_opening_and_the_batches_of_every_transport() -> None:
    sizes = push_sizes(PushWire(), SAID, OWN)
    assert (sizes.hello_bytes_up, sizes.pressed_bare_bytes, sizes.closing) == (7, 3.0, CLIENT_FIRST)
    assert (sizes.bare, sizes.pushes) == (True, True)
    assert sizes.batch_bytes == len(encode_batch(Batch(SAID.cursor)))
    assert (sizes.declaring_bytes, sizes.skip_bytes) == skips(SAID)


def test_with_tls_messages_are_records_beside_a_handshake() -> None:
    plain, encrypted = (push_sizes(PushWire(tls=tls), SAID, OWN) for tls in (False, True))
    assert encrypted.tls
    assert not plain.tls
    assert encrypted.opening.bytes_up > plain.opening.bytes_up
