from __future__ import annotations

import pytest

from bench.contract import Batch, Cursor, Request, Subscription, decode_batch
from bench.serving.answers import answer_of, matches

AFTER = Request(Subscription(), Cursor("e1", 5))
FROM_NOW = Request(Subscription(), None)
LINE = b'{"index":6,"seq":7}'


def test_an_answer_with_news_is_tagged_with_where_it_leads() -> None:
    assert answer_of(AFTER, Batch(Cursor("e1", 7), (LINE,))).tag == '"e1:7"'


def test_an_empty_answer_after_a_cursor_is_tagged_with_that_cursor_though_the_head_moved() -> None:
    answer = answer_of(AFTER, Batch(Cursor("e1", 9)))
    assert answer.tag == '"e1:5"'
    assert decode_batch(answer.body).cursor == Cursor("e1", 9)


def test_an_empty_answer_without_a_cursor_is_tagged_with_the_head() -> None:
    assert answer_of(FROM_NOW, Batch(Cursor("e1", 9))).tag == '"e1:9"'


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
        ("", False),
    ],
)
def test_if_none_match(header: str | None, matching: bool) -> None:
    assert matches(header, '"e1:5"') is matching
