"""The live page in a real Chromium: four clients on one feed, a cut that heals, and nothing from elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from marked import Mark
from ports import first_port

from bench import transports
from bench.browser.chromium import ABSENT, found, started
from bench.browser.devtools import Page

pytestmark = [pytest.mark.real, pytest.mark.process, pytest.mark.timeout(300)]

CARDS = list(transports.own_names())
SETTINGS = ("feed.rate_per_s=20", "transports.short_polling.interval_s=0.25")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page of `tickertape serve quick`, opened, once for all tests."""
    path = found()
    if path is None:
        pytest.skip(ABSENT)
    folder, port, mark = tmp_path_factory.mktemp("live"), first_port(), Mark()
    sets = [word for each in SETTINGS for word in ("--set", each)]
    serving = subprocess.Popen(
        [sys.executable, "-c", "from bench.cli import main; main()", "serve", "quick", "--port", str(port), *sets],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **mark.environment})
    try:
        assert serving.stdout is not None
        for line in serving.stdout:
            if line.startswith("live page"):
                break
        assert serving.poll() is None
        with started(path, folder / "profile", mark.environment) as browser:
            page = browser.page()
            page.watch()
            page.size(1280, 900)
            page.open(f"http://127.0.0.1:{port}/")
            yield page
    finally:
        serving.send_signal(signal.SIGINT)
        serving.communicate(timeout=60)
    assert mark.left_after() == []


def part(name: str, label: str | None = None) -> str:
    """Return the expression of all texts of a part of the cards, or of one card's."""
    if label is None:
        return f"""[...document.querySelectorAll('article [data-part="{name}"]')].map((each) => each.textContent)"""
    return f"""document.querySelector('[data-label="{label}"] [data-part="{name}"]').textContent"""


def every(name: str, condition: str) -> str:
    """Return the expression that there are all cards, and `text` of this part fulfils a condition in each."""
    return f"{part(name)}.length === {len(CARDS)} && {part(name)}.every((text) => {condition})"


def test_updates_flow_in_all_and_none_is_missed(page: Page) -> None:
    page.wait(every("updates", "Number(text) > 40"))
    page.wait(every("up", "Number(text) >= 0"))
    assert page.value(part("lost")) == ["0"] * len(CARDS)
    assert page.value(part("skipped")) == ["0"] * len(CARDS)
    assert page.value(part("state")) == ["connected"] * len(CARDS)
    assert all("ms" in text for text in page.value(part("latency")))
    assert page.complaints == []


@pytest.mark.parametrize("label", CARDS)
def test_the_four_lines_work_as_they_are_shown(page: Page, label: str) -> None:
    lines = page.value(part("lines", label))
    assert len(lines.splitlines()) == 4
    shown = page.value(f"""(async () => {{
        const at = (await (await fetch("/live.json")).json()).subjects.findIndex(({{ label }}) => label === "{label}");
        const {{ ports }} = await (await fetch("/tabs", {{ method: "POST" }})).json();
        const url = `http://127.0.0.1:${{ports[at]}}/ticks`;
        const got = [];
        await new Promise((done) => {{
            const show = ({{ seq }}) => {{ if (got.push(seq) === 10) done(); }};
            (async () => {{ {lines} }})();
        }});
        return got; }})()""")
    assert shown[:10] == list(range(shown[0], shown[0] + 10))


ACCOUNTS = {
    "a gap is lost": ("took(tick(10)); took(tick(13))", (2, 2, 0, 13)),
    "what is declared is skipped": ("took({cursor: 'e:13', ticks: [tick(13)], conflated: {A: 3}})", (1, 0, 3, 13)),
    "a repeated one is none": ("took(tick(10)); took({cursor: 'e:11', ticks: [tick(10), tick(11)]})", (2, 0, 0, 11)),
    "what has left the tape is lost": ("refused({error: 'left-tape', resume: 'e:40'}); took(tick(41))", (1, 31, 0, 41)),
    "another epoch begins anew": (
        "refused({error: 'other-epoch', resume: 'f:0'}); took({cursor: 'f:1', ticks: [tick(1)]})", (1, 0, 0, 1)),
    "a compact tick is one too": ("took([0, 10, 1.5, 7, 'A'])", (1, 0, 0, 10)),
}
"""What a client gets after the cursor e:9, and then its updates, those lost, those skipped, and its cursor."""


@pytest.mark.parametrize(("calls", "account"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_every_update_is_accounted_for(page: Page, calls: str, account: tuple[int, ...]) -> None:
    found = page.value(f"""(async () => {{
        const {{ Feed, Head }} = await import("/feed.js");
        const tick = (seq) => ({{ index: seq, seq, due_ns: 1e6 * seq, symbol: "A", price: 1, size: 1 }});
        const feed = new Feed(new Head(), () => 100);
        const took = (news) => feed.took(news), refused = (refusal) => feed.refused(refusal);
        took({{ cursor: "e:9", ticks: [] }});
        {calls};
        return [feed.updates, feed.lost, feed.skipped, feed.seq]; }})()""")
    assert tuple(found) == account


def test_a_cut_of_five_seconds_shows_and_heals_with_nothing_lost(page: Page) -> None:
    page.value("document.getElementById('cut-all').click()")
    page.wait(every("state", "text.startsWith('cut, ')"))
    page.wait(every("outage", "text.includes('complete again')"))
    for text in page.value(part("outage")):
        late = int(text.partition("after it: ")[2].split()[0])
        assert late >= 20, text   # five seconds at twenty a second
        assert text.endswith("none lost."), text
    page.wait(every("state", "text === 'connected'"))
    page.wait(every("behind", "text === '0'"))
    assert page.value(part("lost")) == ["0"] * len(CARDS)


def test_interval_and_flush_change_what_an_update_costs(page: Page) -> None:
    for label, option, choice, name, compared in (
        ("short_polling", "interval_s", "0.1", "requests", "> 0.3"), ("sse", "flush_ms", "1", "messages", "< 0.25"),
        ("websocket", "flush_ms", "1", "messages", "< 0.25"),
    ):
        page.value(f"""(() => {{
            const select = document.querySelector('[data-label="{label}"] [data-option="{option}"]');
            select.value = "{choice}"; select.dispatchEvent(new Event("change")); }})()""")
        page.wait(f"Number({part('updates', label)}) > 60 && Number({part(name, label)}) {compared}")
    assert page.value(part("lost")) == ["0"] * len(CARDS)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_and_names_each_control(page: Page, width: int, dark: bool) -> None:
    page.size(width, 900, dark=dark)
    page.wait("document.querySelector('canvas').width === document.querySelector('canvas').clientWidth")
    assert page.value("document.documentElement.scrollWidth") <= width
    tree = page.ask("Accessibility.getFullAXTree")["nodes"]
    unnamed = [node["role"]["value"] for node in tree if not node["ignored"] and not node.get("name", {}).get("value")
               and node["role"]["value"] in ("button", "combobox", "link", "img", "article", "heading")]
    assert unnamed == []
    folder = os.environ.get("TICKERTAPE_PICTURES")
    if folder:
        (Path(folder) / f"live-{width}{'-dark' * dark}.png").write_bytes(page.picture())


def test_nothing_comes_from_elsewhere_and_nothing_else_goes_wrong(page: Page) -> None:
    page.value("1")
    assert page.requested
    assert [url for url in page.requested if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:"))] == []
    assert [each for each in page.complaints if each["source"] != "network"] == []
    blocked = page.value("""fetch("http://127.0.0.2:9/").then(() => "let through", (error) => error.name)""")
    assert blocked == "TypeError"
    assert any("Content Security Policy" in each["text"] for each in page.complaints), json.dumps(page.complaints)
