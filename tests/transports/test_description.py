"""A transport's description: it differs from the others', and its words and command are its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import transports
from bench.transports.description import Endpoint
from bench.wire.contract import REFUSALS


def test_the_looks_of_any_two_transports_differ_in_colour_marker_and_dashes() -> None:
    described = [transports.describe(name) for name in transports.names()]
    for values in ([each.title for each in described], [each.colour for each in described],
                   [each.marker for each in described], [each.dashes for each in described]):
        assert len(set(values)) == len(described)


@pytest.mark.parametrize("name", transports.names())
def test_every_refusal_has_a_word(name: str) -> None:
    for status in REFUSALS.values():
        words = transports.describe(name).refusal_words(status)
        assert words
        assert all(word and " " not in word for word in words)


@pytest.mark.parametrize("name", transports.names())
def test_the_command_names_the_address_the_feed_and_the_certificate(name: str) -> None:
    command = transports.describe(name).command
    plain = command(Endpoint("127.0.0.1:87", "9f2c"))
    assert "127.0.0.1:87/ticks" in plain
    assert "\n" not in plain
    assert "x.pem" in command(Endpoint("127.0.0.1:87", "9f2c", Path("x.pem")))
    assert command(Endpoint("127.0.0.1:87", "9f2c", proxied=True)) != plain


@pytest.mark.parametrize("name", transports.own_names())
def test_its_client_in_a_page_is_in_its_folder_and_its_lines_are_four(name: str) -> None:
    live = transports.describe(name).live
    assert live is not None
    assert live.parent == Path(transports.part(name, "protocol").__file__ or "").parent
    text = live.read_text()
    shown = text.partition("export const lines = (")[2].partition(") => `\\\n")[2].partition("`;\n\n")[0]
    assert shown.count("\n") == 3
    assert all(f"export {what}" in text for what in ("function connect(", "const note =", "const controls ="))


def test_an_endpoint_is_reached_by_the_scheme_that_its_certificate_asks_for() -> None:
    plain, secure = Endpoint("here:1", "e"), Endpoint("here:1", "e", Path("c.pem"), proxied=True)
    assert (plain.url, plain.curl) == ("http://here:1/ticks", "curl")
    assert (secure.url, secure.curl) == ("https://here:1/ticks", "curl --cacert c.pem --noproxy '*'")
