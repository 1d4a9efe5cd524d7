"""What TLS 1.3 takes of the wire, found by shaking hands: a client and a server in memory, no socket.

    client hello ─────────────────────────────►          opening, up
                 ◄───────────── server hello … finished   opening, down
    finished ── first request ────────────────►          settling: goes with the request
                 ◄───────────────────────── tickets       settling: before the answer
    close_notify ─────────────────────────────►          settling, both ways
                 ◄──────────────────── close_notify

Both sides are the project's own contexts with a throw-away certificate, so the sizes are those of measured
runs, but for the few bytes by which signatures differ in length.

Known weakness: a real site sends a chain of certificates, two to four kilobytes more, and browsers resume
sessions; neither is in it.
"""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass, replace
from functools import cache

from bench.serving.certificate import throw_away
from bench.wire.sizes import CLIENT_FIRST, OPENING, SEGMENT_PAYLOAD, Flight, Sizes


@dataclass(frozen=True, slots=True)
class Handshake:
    """Bytes of TCP payload."""

    hello_up: int
    hello_down: int
    finished_up: int
    tickets_down: int
    goodbye_up: int
    goodbye_down: int

    def around(self, sizes: Sizes) -> Sizes:
        """The same conversation, encrypted: with the flights of opening, settling and closing."""
        flight_segments = -(-self.hello_down // SEGMENT_PAYLOAD)
        # Who closes because there was one answer has said goodbye before the first FIN, else it follows that.
        last = 0 if sizes.new_connection or sizes.pushes else self.goodbye_down
        return replace(
            sizes, tls=True, closing=replace(CLIENT_FIRST, bytes_down=last, data_down=float(last > 0)),
            opening=replace(
                OPENING, bytes_up=self.hello_up, bytes_down=self.hello_down, data_up=1,
                data_down=flight_segments, acks_up=2, acks_down=1),
            settling=Flight(
                bytes_up=self.finished_up + self.goodbye_up,
                bytes_down=self.tickets_down + self.goodbye_down - last,
                data_up=1, data_down=2 - (last > 0), acks_up=float(sizes.parks),
                control_up=0, control_down=0),
        )


def client_context(certificate: str | None) -> ssl.SSLContext:
    """TLS 1.3 that trusts `certificate` (PEM) and no other; None: any."""
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
    """The sizes of a connection's TLS to `host`: some 20 ms, once a process."""
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
    """The bytes of a side's close_notify."""
    before = out.pending
    with contextlib.suppress(ssl.SSLWantReadError):   # the other side's is not waited for
        side.unwrap()
    return out.pending - before
