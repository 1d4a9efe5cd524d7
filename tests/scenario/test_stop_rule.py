"""The rule by which a run ends: what it says is read, and said again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scenario.stop_rule import FIGURES, StopRule, parse

rules = st.builds(
    lambda figure, percent, cell: StopRule(figure, percent / 100, *cell),
    st.sampled_from(FIGURES), st.integers(1, 999),
    st.sampled_from([(None, None), ("websocket", None), ("long_polling", 500)]),
)


@given(rules)
def test_what_it_says_is_read_again(rule: StopRule) -> None:
    again = parse(str(rule))
    assert again.share == pytest.approx(rule.share)
    assert (again.column, again.subject, again.clients) == (rule.column, rule.subject, rule.clients)


@pytest.mark.parametrize("text", ["p99 ± 10 %", "p99±10%", " p99 +- 10.0 % ", "p99 +/- 10%"])
def test_the_sign_and_the_spaces_may_be_plain(text: str) -> None:
    assert parse(text) == StopRule("p99", 0.1)
    assert parse(text).column == "latency_p99_ms"


@pytest.mark.parametrize(("text", "sentence"), [
    ("", "a value and a share"), ("p99", "a value and a share"), ("p99 < 10 %", "a value and a share"),
    ("p99 ± 10", "a value and a share"), ("p99 ± -3 %", "a value and a share"),
    ("p99 at 10 ± 3 %", "a value and a share"), ("p95 ± 3 %", "among mean, p50"), ("p99 ± 0 %", "above 0"),
])
def test_what_is_no_rule_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse(text)
