"""The sizes on the wire of a push, computed with the encoders of the contract and of the transport.

    opening   the request, the head of its response, the first message      the transport's own
    message   frame header · a bare tick or a batch · declared skips      frames and compression: the transport's own

All pushing transports take their sizes from here (`wire` in their `model`), so that they differ only in their
frames, in their compression, in their first messages and in which side ends a connection.

Known weakness: the count in a declared skip is assumed to have one digit.
"""

from __future__ import annotations

from dataclasses import replace

from bench.transports.poll_sizes import skips
from bench.transports.tls_sizes import handshake
from bench.wire.contract import Batch, encode_batch
from bench.wire.options import PushWire
from bench.wire.sizes import Conversation, Sizes


def push_sizes(options: PushWire, said: Conversation, own: Sizes) -> Sizes:
    """Return the sizes of a pushing transport's conversation, in bytes; `own` has those that only it has."""
    declaring, skip = skips(said)
    plain = replace(own, batch_bytes=len(encode_batch(Batch(said.cursor))), declaring_bytes=declaring, skip_bytes=skip,
                    bare=True, pushes=True)
    return handshake(said.host.rpartition(":")[0]).around(plain) if options.tls else plain
