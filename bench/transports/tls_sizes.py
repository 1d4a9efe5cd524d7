"""The sizes of TLS 1.3 on the wire, measured with a handshake in memory between client and server, no
socket.

    client hello ─────────────────────────────►          opening, up
                 ◄───────────── server hello … finished   opening, down
    finished ── first request ────────────────►          settling: goes with the request
                 ◄───────────────────────── tickets       settling: before the response
    close_notify ─────────────────────────────►          settling, both ways
                 ◄──────────────────── close_notify

Both sides use the project's own contexts with a throw-away certificate, so the sizes are those of measured
runs, except for the few bytes by which signatures differ in length.

Known weakness: a real site sends a chain of certificates, two to four kilobytes more, and browsers resume
sessions; neither is included.
"""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass, replace
from functools import cache

from bench.serving.certificate import throw_away
from bench.wire.sizes import CLIENT_FIRST, OPENING, SEGMENT_PAYLOAD, ConnectionSizes, Sizes


@dataclass(frozen=True, slots=True)
class Handshake:
    """Sizes of a connection's TLS messages, in bytes of TCP payload."""

    hello_up: int
    hello_down: int
    finished_up: int
    tickets_down: int
    goodbye_up: int
    goodbye_down: int

    def around(self, sizes: Sizes) -> Sizes:
        """Return the sizes of the same conversation encrypted, with the flights of opening, settling and
        closing."""
        flight_segments = -(-self.hello_down // SEGMENT_PAYLOAD)
        # A side that closes after its only response sends close_notify before the first FIN, else after it.
        last = 0 if sizes.new_connection or sizes.pushes else self.goodbye_down
        # A client that has waited no longer converses: it acknowledges the tickets, and a close_notify before a FIN.
        waited = sizes.parks * (1.0 + sizes.new_connection)
        return replace(
            sizes, tls=True, closing=replace(CLIENT_FIRST, bytes_down=last, data_down=float(last > 0)),
            opening=replace(
                OPENING, bytes_up=self.hello_up, bytes_down=self.hello_down, data_up=1,
                data_down=flight_segments, acks_up=2, acks_down=1),
            settling=ConnectionSizes(
                bytes_up=self.finished_up + self.goodbye_up,
                bytes_down=self.tickets_down + self.goodbye_down - last,
                data_up=1, data_down=2 - (last > 0), acks_up=waited,
                control_up=0, control_down=0),
        )


def client_context(certificate: str | None) -> ssl.SSLContext:
    """Return a TLS 1.3 context that trusts `certificate` (PEM) and no other; any certificate if it is
    None."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if certificate is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=certificate)
    return context


@cache
def handshake(host: str = "127.0.0.1") -> Handshake:
    """Return the sizes of TLS on a connection to `host`. Takes some 20 ms, once per process."""
    identity = throw_away(host)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(identity.certificate).wrap_bio(to_client, to_server, server_hostname=host)
    server = identity.context.wrap_bio(to_server, to_client, server_side=True)
    sizes = []
    for side, out in ((client, to_server), (server, to_client)) * 2:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
        sizes.append(out.pending)
    for side, out, back in ((client, to_server, to_client), (server, to_client, to_server)):
        if side is client:
            back.read()   # the tickets
        sizes.append(_goodbye(side, out))
    return Handshake(*sizes)


def _goodbye(side: ssl.SSLObject, out: ssl.MemoryBIO) -> int:
    """Return the size of a side's close_notify, in bytes."""
    before = out.pending
    with contextlib.suppress(ssl.SSLWantReadError):   # the other side's close_notify is not awaited
        side.unwrap()
    return out.pending - before
