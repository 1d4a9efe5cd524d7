from __future__ import annotations

import hashlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.serving.certificate import G, N, P, added, multiplied, signed, throw_away
from bench.transports.tls_sizes import client_context

scalars = st.integers(1, N - 1)


@given(scalars, scalars)
def test_multiplying_distributes_over_adding_and_stays_on_the_curve(first: int, second: int) -> None:
    total = multiplied((first + second) % N, G)
    assert total == added(multiplied(first, G), multiplied(second, G))
    if total is not None:
        b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
        assert (total[1] ** 2 - total[0] ** 3 + 3 * total[0] - b) % P == 0


def test_the_generator_has_the_order_that_it_should_have() -> None:
    assert multiplied(N, G) is None
    assert multiplied(N - 1, G) == (G[0], P - G[1])


def test_a_signature_is_verified_by_the_public_key() -> None:
    key, message = 12345, b"tickertape"
    content = signed(key, message)
    r_end = 4 + content[3]
    r, s = int.from_bytes(content[4:r_end], "big"), int.from_bytes(content[r_end + 2 :], "big")
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    inverse = pow(s, -1, N)
    public = multiplied(key, G)
    point = added(multiplied(digest * inverse % N, G), multiplied(r * inverse % N, public))
    assert point is not None
    assert point[0] % N == r


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> str | None:
    """Return the version of TLS that the two agree on, in memory; raises what OpenSSL finds wrong."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return sides[1].version()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "a.example"])
def test_clients_that_are_told_trust_it(host: str) -> None:
    identity = throw_away(host)
    assert handshake(client_context(identity.certificate), identity.context, host) == "TLSv1.3"
    assert handshake(client_context(None), identity.context, "b.example") == "TLSv1.3"


def test_clients_of_another_server_or_another_name_do_not() -> None:
    ours, other = throw_away("127.0.0.1"), throw_away("127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client_context(other.certificate), ours.context, "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client_context(ours.certificate), ours.context, "b.example")


def test_older_versions_are_not_spoken() -> None:
    old = client_context(None)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        handshake(old, throw_away("127.0.0.1").context, "127.0.0.1")
