"""TLS's sizes against a connection to a real server, and what they make of a conversation."""

from __future__ import annotations

import socket
import ssl

import pytest
from servers import ScriptedFeed, feed, running_server

from bench.transports.tls_sizes import client_context, handshake
from bench.wire.sizes import Sizes

__all__ = ["feed"]


def test_it_trusts_the_one_certificate_it_is_given() -> None:
    assert client_context(None).verify_mode == ssl.CERT_NONE
    assert client_context(None).minimum_version == ssl.TLSVersion.TLSv1_3


@pytest.mark.process
def test_the_sizes_are_those_of_a_real_server(feed: ScriptedFeed) -> None:
    sizes = handshake("127.0.0.1")
    with running_server(feed, "short_polling", options={"tls": True}) as server:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client_context(server.certificate).wrap_bio(incoming, outgoing, server_hostname=server.host)
        with server.connect() as sock:
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
            assert outgoing.pending == sizes.hello_up
            sock.sendall(outgoing.read())
            came = sock.recv(65_536)
            assert len(came) == pytest.approx(sizes.hello_down, abs=4)   # a signature's length varies
            incoming.write(came)
            tls.do_handshake()
            assert outgoing.pending == sizes.finished_up
            sock.sendall(outgoing.read())
            assert len(_all(sock, sizes.tickets_down)) == sizes.tickets_down


def _all(sock: socket.socket, size: int) -> bytes:
    came = b""
    while len(came) < size:
        came += sock.recv(65_536)
    return came


def test_a_conversation_around_which_there_is_tls() -> None:
    plain, sizes = Sizes(request_bytes=100), handshake("127.0.0.1")
    sealed = sizes.around(plain)
    assert sealed.tls
    assert sealed.request_bytes == 100
    assert sealed.opening.bytes_up == sizes.hello_up
    assert sealed.settling.bytes_down + sealed.closing.bytes_down == sizes.tickets_down + sizes.goodbye_down
    assert sealed.closing.bytes_down == sizes.goodbye_down
    fleeting = sizes.around(Sizes(new_connection=True))
    assert fleeting.closing.bytes_down == 0
    assert fleeting.settling.bytes_down == sizes.tickets_down + sizes.goodbye_down
