"""A throw-away certificate, made when a server starts and discarded when it ends.

    key d ─► public point Q = d·G on P-256 ─► certificate, signed with d itself ─► TLS 1.3 context
                                                      └► handed to the clients, who trust it and no other

The necessary steps are written out here, so that https and wss need neither a file nor a tool: arithmetic
on the curve (SEC 1), one signature (ECDSA with SHA-256, FIPS 186-5), and the encoding of an X.509
certificate (RFC 5280) in DER. The key never leaves the process except for the moment in which OpenSSL reads
it from a temporary file.

Known weakness: plain Python takes milliseconds for a multiplication, and the time depends on the key. So
this is not a way to make a key that has to stay secret for longer than a benchmark. Also, a real site sends a
chain of certificates, two to four kilobytes more in each handshake than this single one.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import secrets
import ssl
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

VALID_S = 7 * 86_400
NAME = "Tickertape, throw-away"

# The curve P-256: y² = x³ − 3x + b over the integers modulo P; G generates N points (SEC 2, §2.4.2).
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
Point = tuple[int, int] | None
"""A point of the curve; None is the point at infinity."""

# Tags of DER (X.690) and object identifiers.
INTEGER, BIT_STRING, OCTET_STRING, UTF8, UTC_TIME, SEQUENCE, SET = 2, 3, 4, 12, 23, 0x30, 0x31
COMMON_NAME = bytes.fromhex("0603550403")
ALTERNATIVE_NAMES = bytes.fromhex("0603551d11")
EC_KEY = bytes.fromhex("06072a8648ce3d0201")
CURVE_P256 = bytes.fromhex("06082a8648ce3d030107")
ECDSA_SHA256 = bytes.fromhex("06082a8648ce3d040302")


@dataclass(frozen=True, slots=True)
class Identity:
    """The certificate and key with which a server authenticates itself."""

    certificate: str
    """In PEM, for the clients."""
    context: ssl.SSLContext
    """A TLS 1.3 context with that certificate and its key."""


def throw_away(host: str) -> Identity:
    """Return a new identity for `host` and localhost."""
    key = secrets.randbelow(N - 1) + 1
    certificate = _pem("CERTIFICATE", _certificate(key, host))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "identity.pem")
        path.write_text(_pem("EC PRIVATE KEY", _private_key(key)) + certificate)
        context.load_cert_chain(path)
    return Identity(certificate, context)


def added(first: Point, second: Point) -> Point:
    """Return the sum of two points of the curve."""
    if first is None or second is None:
        return first or second
    if first[0] == second[0] and (first[1] + second[1]) % P == 0:
        return None
    if first == second:
        slope = (3 * first[0] ** 2 - 3) * pow(2 * first[1], -1, P) % P
    else:
        slope = (second[1] - first[1]) * pow(second[0] - first[0], -1, P) % P
    x = (slope**2 - first[0] - second[0]) % P
    return x, (slope * (first[0] - x) - first[1]) % P


def multiplied(factor: int, point: Point) -> Point:
    """Return `factor` times a point, by doubling and adding."""
    total: Point = None
    while factor:
        if factor & 1:
            total = added(total, point)
        point = added(point, point)
        factor >>= 1
    return total


def signed(key: int, message: bytes) -> bytes:
    """Return the ECDSA signature of a message, in DER."""
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    while True:
        nonce = secrets.randbelow(N - 1) + 1
        point = multiplied(nonce, G)
        assert point is not None
        r = point[0] % N
        s = pow(nonce, -1, N) * (digest + r * key) % N
        if r and s:
            return _der(SEQUENCE, _integer(r), _integer(s))


def _certificate(key: int, host: str) -> bytes:
    now_s = time.time()
    name = _der(SEQUENCE, _der(SET, _der(SEQUENCE, COMMON_NAME, _der(UTF8, NAME.encode()))))
    algorithm = _der(SEQUENCE, ECDSA_SHA256)
    try:
        address = _der(0x87, ipaddress.ip_address(host).packed)
    except ValueError:
        address = _der(0x82, host.encode("ascii"))
    names = _der(SEQUENCE, address, _der(0x82, b"localhost"))
    extension = _der(SEQUENCE, ALTERNATIVE_NAMES, _der(OCTET_STRING, names))
    content = _der(
        SEQUENCE,
        _der(0xA0, _integer(2)),   # version 3
        _integer(secrets.randbits(120) + 1),
        algorithm,
        name,
        _der(SEQUENCE, _utc(now_s - 86_400), _utc(now_s + VALID_S)),
        name,
        _der(SEQUENCE, _der(SEQUENCE, EC_KEY, CURVE_P256), _bits(_public(key))),
        _der(0xA3, _der(SEQUENCE, extension)),
    )
    return _der(SEQUENCE, content, algorithm, _bits(signed(key, content)))


def _private_key(key: int) -> bytes:
    """Return the key in DER (RFC 5915)."""
    scalar = _der(OCTET_STRING, key.to_bytes(32, "big"))
    return _der(SEQUENCE, _integer(1), scalar, _der(0xA0, CURVE_P256), _der(0xA1, _bits(_public(key))))


def _public(key: int) -> bytes:
    point = multiplied(key, G)
    assert point is not None
    return b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 128 | len(length))) + length + content


def _integer(value: int) -> bytes:
    return _der(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _bits(content: bytes) -> bytes:
    return _der(BIT_STRING, b"\0", content)


def _utc(at_s: float) -> bytes:
    return _der(UTC_TIME, time.strftime("%y%m%d%H%M%SZ", time.gmtime(at_s)).encode())


def _pem(label: str, content: bytes) -> str:
    text = base64.encodebytes(content).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"
