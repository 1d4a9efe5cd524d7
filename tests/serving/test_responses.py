from __future__ import annotations

import gzip

import orjson
import pytest

from bench.serving.responses import accepts, compressed, matches, response_of
from bench.wire.contract import Batch, Cursor, Request, Subscription, batch_of

AFTER = Request(Subscription(), Cursor("e1", 5))
FROM_NOW = Request(Subscription(), None)
LINE = b'{"index":6,"seq":7}'


def test_an_answer_with_news_is_tagged_with_where_it_leads() -> None:
    assert response_of(AFTER, Batch(Cursor("e1", 7), (LINE,))).tag == '"e1:7"'


def test_an_empty_answer_after_a_cursor_is_tagged_with_that_cursor_though_the_head_moved() -> None:
    response = response_of(AFTER, Batch(Cursor("e1", 9)))
    assert response.tag == '"e1:5"'
    assert batch_of(orjson.loads(response.body)).cursor == Cursor("e1", 9)


def test_an_empty_answer_without_a_cursor_is_tagged_with_the_head() -> None:
    assert response_of(FROM_NOW, Batch(Cursor("e1", 9))).tag == '"e1:9"'


@pytest.mark.parametrize(
    ("header", "matching"),
    [
        (None, False),
        ('"e1:5"', True),
        ('W/"e1:5"', True),
        ('"e1:4", "e1:5"', True),
        ("*", True),
        ('"e1:4"', False),
        ("e1:5", False),
        (" * ", True),
        ('"e1:4", *', False),   # a list has tags alone
        ('"e1:4",, W/"e1:5"', True),
        ('w/"e1:5"', False),
        ("", False),
    ],
)
def test_a_tag_matches_alone_in_a_list_weak_and_by_a_star(header: str | None, matching: bool) -> None:
    assert matches(header, '"e1:5"') is matching


def test_an_answer_is_compressed_only_where_that_makes_it_smaller() -> None:
    assert compressed(b"short", "gzip") is None
    pressed = compressed(b"again and " * 100, "gzip")
    assert pressed is not None
    assert gzip.decompress(pressed) == b"again and " * 100
    assert compressed(b"again and " * 100, "gzip") is pressed   # once for all who ask the same


@pytest.mark.parametrize(("header", "accepted"), [
    (None, False), ("gzip", True), ("deflate, GZIP;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.0", False),
    ("br", False), ("xgzip", False),
])
def test_a_coding_is_accepted_where_it_is_named_with_a_weight_above_zero(header: str | None, accepted: bool) -> None:
    assert accepts(header, "gzip") is accepted
