from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.serving.target import parse_query, split_target
from bench.wire.contract import Cursor, Refusal, Request, Subscription

symbols = st.frozensets(st.from_regex(r"[A-Za-z0-9._-]{1,24}", fullmatch=True), min_size=1, max_size=4)
cursors = st.builds(
    Cursor, st.from_regex(r"[0-9a-z]{1,16}", fullmatch=True), st.integers(min_value=0, max_value=2**53 - 1)
)
subscriptions = st.builds(Subscription, st.none() | symbols, st.sampled_from(["every", "latest"]))


@given(st.builds(Request, subscriptions, st.none() | cursors))
def test_reading_a_query_is_the_inverse_of_writing_it(request: Request) -> None:
    for start, named in (("", None), ("http://a:1", "a:1"), ("HTTPS://[::1]", "[::1]")):
        host, path, query = split_target(f"{start}/ticks?{request.to_query()}")
        assert (host, path) == (named, "/ticks")
        assert parse_query(query) == request


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_any_query_is_read_or_refused(query: str) -> None:
    with contextlib.suppress(Refusal):
        assert isinstance(parse_query(query), Request)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/ticks?symbols=%ff", "bad-encoding"),
        ("/ticks?symbols=%c3%28", "bad-encoding"),
        ("/ticks?symbols=\udcff", "bad-encoding"),
        ("/ticks?after=e1:1&after=e1:2", "bad-request"),
        ("/ticks?after", "bad-request"),
        ("/ticks?" + "&".join(f"p{n}=1" for n in range(20)), "bad-request"),
        ("/ticks?since=e1:1", "bad-request"),
        ("/ticks?after=e1", "bad-cursor"),
        ("/ticks?after=", "bad-cursor"),
        ("/ticks?after=e1:-1", "bad-cursor"),
        ("/ticks?" + "x" * 8000, "target-too-long"),
        ("http://user@a/ticks", "bad-request"),
        ("http:///ticks", "bad-request"),
        ("http://a/ticks#part", "bad-request"),
        ("ftp://a/ticks", "bad-request"),
    ],
)
def test_what_is_refused_is_refused_by_its_own_word(target: str, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_query(split_target(target)[2])
    assert caught.value.code == code


@pytest.mark.parametrize(("target", "split"), [
    ("http://a", ("a", "/", "")), ("http://a?x=1", ("a", "/", "x=1")), ("*", (None, "*", "")),
    ("/x?y=http://a/", (None, "/x", "y=http://a/")), ("//a/x", (None, "//a/x", "")),
])
def test_a_target_in_absolute_form_names_its_host(
    target: str, split: tuple[str | None, str, str]
) -> None:
    assert split_target(target) == split


def test_escapes_are_resolved() -> None:
    assert parse_query("after=e1%3A7&symbols=A%41A%2CBBB") == Request(
        Subscription(frozenset({"AAA", "BBB"})), Cursor("e1", 7)
    )
