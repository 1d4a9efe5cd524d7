"""Decides from a request's head whether a server answers it: the same rules for every transport.

    head ─► target ─► Host ─► Origin ─► method and body ─► (path, query), or a preflight
            414 400   400 421  400 403   405 413

**Host.** The owner of a name can point it at 127.0.0.1 (DNS rebinding). A page of that name may then talk to
a server on loopback as if it were its own: for the browser it is the same origin. The `Host` header shows
the name. So a server answers for loopback's names, for the address at which it listens and for the names in
its configuration, and refuses others with 421. A server that listens at all addresses answers for any
address, since an address can't be rebound. A target in absolute form names the host in place of the header
(RFC 9112, section 3.2.2). Ports are not compared.

**Origin.** Only browsers send this header, for a page of another site. Such a request is answered if the
configuration names the origin. The page asks for permission (a preflight) before it sends `If-None-Match`
or `Last-Event-ID`.

A header that may occur once and occurs twice is refused, since other servers may interpret it differently.

**Messages.** A server that takes messages of its clients over HTTP allows a POST to one path, and nothing else there.
A page of an allowed origin sends it as `text/plain`, which needs no preflight, or as JSON after one.

Known weakness: names are compared, not resolved. A client that can write any `Host` is not a browser, and is
not kept out.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Sequence

from bench.serving.target import split_target
from bench.wire.contract import Refusal

NOT_HTTP = "this is not an HTTP/1.1 request"
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d*)?")
"""The valid values of a Host header (RFC 9110, section 7.2): a name or an address, and a port."""
HOSTS_MAX = 256
"""The largest number of values of `Host` that are kept as known."""
PREFLIGHT = "Access-Control-Request-Method"
"""The header that makes an OPTIONS request a preflight."""
MESSAGES = "/messages"
"""The path to which a message is sent (`bench.uplink`)."""
LEAVE = {
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "If-None-Match, Last-Event-ID",
    "Access-Control-Max-Age": "600",
}
"""Header fields of the response to a preflight, in addition to `page_fields`."""
LEAVE_TO_POST = LEAVE | {"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "Content-Type"}
"""Header fields of the response to a preflight of a message."""


class Admission:
    """The rules of one server: it listens at `bound`, and its configuration names `hosts` and `origins`."""

    def __init__(self, bound: str, hosts: Collection[str] = (), origins: Collection[str] = ()) -> None:
        self.bound = bound
        self.names = frozenset(name.lower() for name in hosts)
        self.origins = frozenset(origins)
        self._known: set[str] = set()

    def admit(
        self, method: str, target: str, hosts: Sequence[str], origins: Sequence[str],
        *, has_body: bool = False, old: bool = False, asks_leave: bool = False,
    ) -> tuple[str, str] | None:
        """Return the path and the query of a request that is to be answered, or None for a preflight.

        `hosts` and `origins` are the values of these headers. `old`: the request is HTTP/1.0, which needs no
        Host. `asks_leave`: it has the header of a preflight. Raises `Refusal` if the request is not to be
        answered.
        """
        named, path, query = split_target(target)
        if len(hosts) != 1 and (hosts or not old):
            raise Refusal("bad-request", "a request names one Host")   # RFC 9112, section 3.2
        if named is None and hosts:
            named = hosts[0]
        if named is not None and named not in self._known:
            self._check_host(named)
        if origins:
            self._check_origin(origins)
        if has_body and method in ("GET", "OPTIONS"):
            raise Refusal("too-large", "a request has no body")
        if method != "GET":
            if method == "OPTIONS" and asks_leave and origins:
                return None
            raise Refusal("method-not-allowed", f"{method[:20]} is not allowed, only GET")
        return path, query

    def admits(self, origins: Sequence[str]) -> bool:
        """Return True if the request comes from a page that may read its response."""
        return len(origins) == 1 and origins[0] in self.origins

    def leave(self, target: str) -> dict[str, str]:
        """Return the header fields of the response to a preflight of a request for `target`."""
        return LEAVE

    def _check_host(self, text: str) -> None:
        matched = HOST.fullmatch(text)
        if matched is None:
            raise Refusal("bad-request", f"a Host is a name or an address, with a port; found {text[:60]!r}")
        if not serves_host(matched[1], self.bound, self.names):
            detail = f"this server does not answer for {text[:80]!r}: its configuration does not name it"
            raise Refusal("misdirected", detail)
        if len(self._known) >= HOSTS_MAX:
            self._known.clear()
        self._known.add(text)

    def _check_origin(self, origins: Sequence[str]) -> None:
        if len(origins) > 1:
            raise Refusal("bad-request", "a request names one Origin")
        if origins[0] not in self.origins:
            raise Refusal("bad-origin", f"the origin {origins[0][:80]!r} is not among those allowed")


class TwoWayAdmission(Admission):
    """The rules of a server that also takes messages: `POST /messages` is allowed, with a body."""

    def admit(
        self, method: str, target: str, hosts: Sequence[str], origins: Sequence[str],
        *, has_body: bool = False, old: bool = False, asks_leave: bool = False,
    ) -> tuple[str, str] | None:
        """See `Admission`. Other paths are refused for a POST as for any server."""
        is_preflight = method == "OPTIONS" and asks_leave and origins
        if is_preflight or split_target(target)[1] != MESSAGES:
            return super().admit(method, target, hosts, origins, has_body=has_body, old=old, asks_leave=asks_leave)
        asked = super().admit("GET", target, hosts, origins, old=old)
        if method != "POST":
            raise Refusal("method-not-allowed", f"{method[:20]} is not allowed, only POST", allowed="POST")
        return asked

    def leave(self, target: str) -> dict[str, str]:
        """See `Admission`."""
        return LEAVE_TO_POST if split_target(target)[1] == MESSAGES else LEAVE


def serves_host(host: str, bound: str, names: frozenset[str]) -> bool:
    """Return True if a server that listens at `bound` answers for `host`, a name or an address."""
    name = host.strip("[]").lower().removesuffix(".")
    if name in names or name == bound.lower() or name == "localhost" or name.endswith(".localhost"):
        return True
    address, own = _address(name), _address(bound)
    if address is None:
        return False
    return address.is_loopback or (own is not None and (own.is_unspecified or own == address))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def page_fields(origin: str, vary: str | None = None, tagged: bool = False) -> dict[str, str]:
    """Return the header fields that allow a page of an allowed origin to read a response, and its entity
    tag."""
    fields = {"Access-Control-Allow-Origin": origin, "Vary": f"{vary}, Origin" if vary else "Origin"}
    return fields | {"Access-Control-Expose-Headers": "ETag"} if tagged else fields
