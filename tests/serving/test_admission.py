"""Which requests are answered, by their heads alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.serving.admission import HOSTS_MAX, Admission, TwoWayAdmission, page_fields, serves_host
from bench.wire.contract import Refusal

SITE = "https://ticker.example"
LOOPBACK = Admission("127.0.0.1", ("Ticker.example",), (SITE,))


def refused(*arguments: object, **more: bool) -> str:
    with pytest.raises(Refusal) as caught:
        LOOPBACK.admit(*arguments, **more)   # type: ignore[arg-type]
    return caught.value.code


@pytest.mark.parametrize(("host", "bound", "is_answered"), [
    ("localhost", "127.0.0.1", True), ("LOCALHOST.", "127.0.0.1", True), ("x.localhost", "127.0.0.1", True),
    ("127.0.0.1", "127.0.0.1", True), ("127.9.9.9", "127.0.0.1", True), ("[::1]", "127.0.0.1", True),
    ("ticker.example", "127.0.0.1", True), ("TICKER.EXAMPLE", "127.0.0.1", True),
    ("evil.example", "127.0.0.1", False), ("127.0.0.1.evil.example", "127.0.0.1", False),
    ("localhost.evil.example", "127.0.0.1", False), ("notlocalhost", "127.0.0.1", False),
    ("192.0.2.1", "127.0.0.1", False), ("", "127.0.0.1", False), ("2130706433", "127.0.0.1", False),
    ("192.0.2.1", "192.0.2.1", True), ("192.0.2.2", "192.0.2.1", False),
    ("192.0.2.1", "0.0.0.0", True), ("[2001:db8::1]", "::", True), ("evil.example", "0.0.0.0", False),
    ("box.lan", "box.lan", True), ("box2.lan", "box.lan", False),
])
def test_a_server_serves_host_loopback_its_own_address_and_what_is_configured(
    host: str, bound: str, is_answered: bool
) -> None:
    assert serves_host(host, bound, frozenset({"ticker.example"})) is is_answered


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1:65535", "[::1]:80", "ticker.example:8"])
def test_a_port_does_not_matter(host: str) -> None:
    for _ in range(2):   # the second time it is known
        assert LOOPBACK.admit("GET", "/ticks?mode=every", [host], []) == ("/ticks", "mode=every")


@pytest.mark.parametrize(("arguments", "more", "code"), [
    (("GET", "/", ["evil.example"], []), {}, "misdirected"),
    (("GET", "/", ["evil.example:80"], [SITE]), {}, "misdirected"),
    (("GET", "/", [""], []), {}, "misdirected"),
    (("GET", "http://evil.example/ticks", ["localhost"], []), {}, "misdirected"),
    (("GET", "/", ["evil.example"], []), {"old": True}, "misdirected"),
    (("GET", "/", ["local host"], []), {}, "bad-request"),
    (("GET", "/", ["localhost:x"], []), {}, "bad-request"),
    (("GET", "/", ["user@localhost"], []), {}, "bad-request"),
    (("GET", "/", [], []), {}, "bad-request"),
    (("GET", "http://localhost/", [], []), {}, "bad-request"),
    (("GET", "/", ["localhost", "localhost"], []), {"old": True}, "bad-request"),
    (("GET", "/", ["localhost"], [SITE, SITE]), {}, "bad-request"),
    (("GET", "/", ["localhost"], ["null"]), {}, "bad-origin"),
    (("OPTIONS", "/", ["localhost"], ["https://evil.example"]), {"asks_leave": True}, "bad-origin"),
    (("OPTIONS", "/", ["localhost"], [SITE]), {}, "method-not-allowed"),
    (("OPTIONS", "/", ["localhost"], []), {"asks_leave": True}, "method-not-allowed"),
    (("OPTIONS", "/", ["localhost"], [SITE]), {"asks_leave": True, "has_body": True}, "too-large"),
    (("POST", "/", ["localhost"], []), {"has_body": True}, "method-not-allowed"),
    (("GET", "/", ["localhost"], []), {"has_body": True}, "too-large"),
])
def test_what_is_refused_is_refused_by_its_own_word(
    arguments: tuple[object, ...], more: dict[str, bool], code: str
) -> None:
    assert refused(*arguments, **more) == code


def test_a_request_by_a_name_of_ours_and_from_an_allowed_origin_is_admitted() -> None:
    assert LOOPBACK.admit("GET", "http://LocalHost:1/a?b", ["evil.example"], [SITE]) == ("/a", "b")
    assert LOOPBACK.admit("GET", "/a", [], [], old=True) == ("/a", "")
    assert LOOPBACK.admit("OPTIONS", "/a", ["localhost"], [SITE], asks_leave=True) is None
    assert LOOPBACK.admits([SITE])
    assert not LOOPBACK.admits([SITE, SITE])
    assert not LOOPBACK.admits(["null"])


texts = st.text(max_size=30)


@given(st.one_of(st.just("/a?b"), texts), st.lists(st.one_of(st.just("localhost:80"), texts), max_size=3),
       st.lists(st.one_of(st.just(SITE), texts), max_size=2))
def test_any_head_is_refused_or_has_one_host_and_at_most_one_origin_that_are_allowed(
    target: str, hosts: list[str], origins: list[str]
) -> None:
    admitted, code = None, ""
    try:
        admitted = LOOPBACK.admit("GET", target, hosts, origins)
    except Refusal as refusal:
        code = refusal.code
    if admitted is None:
        assert code in ("bad-request", "bad-encoding", "misdirected", "bad-origin")
        assert target != "/a?b" or hosts != ["localhost:80"] or origins not in ([], [SITE])
    else:
        assert len(hosts) == 1
        assert origins in ([], [SITE])
        assert "?".join(admitted).rstrip("?").removeprefix("/") in target


def test_the_texts_that_are_kept_are_bounded() -> None:
    one = Admission("127.0.0.1")
    for port in range(2 * HOSTS_MAX + 1):
        one.admit("GET", "/", [f"localhost:{port}"], [])
    assert len(one._known) <= HOSTS_MAX


def test_an_answer_to_a_page_varies_by_its_origin_too() -> None:
    assert page_fields(SITE) == {"Access-Control-Allow-Origin": SITE, "Vary": "Origin"}
    tagged = page_fields(SITE, "Accept-Encoding", tagged=True)
    assert tagged["Vary"] == "Accept-Encoding, Origin"
    assert tagged["Access-Control-Expose-Headers"] == "ETag"


@pytest.mark.parametrize(("method", "target", "origins", "word"), [
    ("POST", "/messages", [], ""), ("POST", "http://localhost/messages", [SITE], ""),
    ("POST", "/ticks", [], "method-not-allowed"), ("PUT", "/messages", [], "method-not-allowed"),
    ("GET", "/messages", [], "method-not-allowed"), ("OPTIONS", "/messages", [SITE], "method-not-allowed"),
    ("POST", "/messages", ["https://evil.example"], "bad-origin"),
    ("POST", "http://evil.example/messages", [], "misdirected"),
])
def test_a_server_that_takes_messages_admits_a_post_to_their_path_alone(
    method: str, target: str, origins: list[str], word: str
) -> None:
    rules = TwoWayAdmission("127.0.0.1", (), (SITE,))
    found = word
    try:
        assert rules.admit(method, target, ["localhost"], origins, has_body=True) == ("/messages", "")
    except Refusal as refusal:
        found, allowed = refusal.code, refusal.allowed
    else:
        found = allowed = ""
    assert found == word
    assert found != "method-not-allowed" or allowed == ("POST" if target == "/messages" else "GET")
    with pytest.raises(Refusal):
        LOOPBACK.admit(method, target, ["localhost"], origins, has_body=True)
