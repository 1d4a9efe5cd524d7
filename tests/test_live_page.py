"""The live page in a real Chromium: four clients on one feed, a cut that heals, and nothing from elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
    """The page of `tickertape serve quick`, opened, once for all tests of it."""
    with opened("quick", SETTINGS, tmp_path_factory.mktemp("live")) as page:
        yield page


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page of `tickertape serve use-cases/chat`, opened, once for all tests of it."""
    settings = ("transports.short_polling.interval_s=0.25", "server.messages.rate_per_s=2.0")
    with opened("use-cases/chat", settings, tmp_path_factory.mktemp("chat")) as page:
        page.wait(every("state", "text === 'connected'"))
        yield page


@contextmanager
def opened(scenario: str, settings: tuple[str, ...], folder: Path) -> Iterator[Page]:
    """Serve a scenario, and open its page."""
    path = found()
    if path is None:
        pytest.skip(ABSENT)
    port, mark = first_port(), Mark()
    sets = [word for each in settings for word in ("--set", each)]
    serving = subprocess.Popen(
        [sys.executable, "-c", "from bench.cli import main; main()", "serve", scenario, "--port", str(port), *sets],
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
            page.wait("document.getElementById('status')?.textContent.startsWith('All clients')")
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
"""The messages to a client after the cursor e:9, and then its updates, those lost, those skipped, and its cursor."""


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
    page.wait("document.getElementById('status').textContent === 'All clients: cut for 5 s.'")
    page.wait(every("state", "text.startsWith('cut, ')"))
    page.wait(every("outage", "text.includes('complete again')"))
    for text in page.value(part("outage")):
        late = int(text.partition("after it: ")[2].split()[0])
        assert late >= 20, text   # five seconds at twenty a second
        assert text.endswith("none lost."), text
    page.wait(every("state", "text === 'connected'"))
    page.wait(every("behind", "text === '0'"))
    assert page.value(part("lost")) == ["0"] * len(CARDS)


def test_a_cut_that_fails_is_not_said_to_be_made(page: Page) -> None:
    page.value("""(() => {
        window.usual = fetch;
        window.fetch = (path, ...more) =>
            String(path).includes("/cut") ? Promise.reject(new Error("gone")) : window.usual(path, ...more);
        document.querySelector("[data-part=cut]").click(); })()""")
    page.wait("document.getElementById('status').textContent === 'That did not work: gone'")
    page.value("document.getElementById('cut-all').click()")
    page.value("new Promise((done) => setTimeout(done, 300))")
    assert page.value("document.getElementById('status').textContent") == "That did not work: gone"
    page.wait(every("state", "text === 'connected'"))
    page.value("window.fetch = window.usual; undefined")


def test_interval_and_flush_change_what_an_update_costs(page: Page) -> None:
    for label, option, choice, name, compared in (
        ("short_polling", "interval_s", "0.1", "requests", "> 0.3"), ("sse", "flush_ms", "1", "messages", "< 0.25"),
        ("websocket", "flush_ms", "1", "messages", "< 0.25"),
    ):
        page.value(f"""(() => {{
            const select = document.querySelector('[data-label="{label}"] [data-option="{option}"]');
            select.value = "{choice}"; select.dispatchEvent(new Event("change")); }})()""")
        page.wait(f"Number({part('updates', label)}) > 60 && Number({part(name, label)}) {compared}")
    assert page.value(part("lines", "short_polling")).endswith("}, 100);")
    assert page.value(part("lost")) == ["0"] * len(CARDS)


def write(page: Page, text: str) -> None:
    """Write a message and send it, by the keyboard alone, from the box on."""
    page.value("document.querySelector('#chat input').focus()")
    page.ask("Input.insertText", text=text)
    for kind in ("keyDown", "keyUp"):
        page.ask("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")


def trips(text: str) -> str:
    """Return the expression of what is shown for each transport in the row of a message."""
    return f"""[...[...document.querySelectorAll('#chat li')].find((row) => row.textContent.includes("{text}"))
        .querySelectorAll("dd")].map((cell) => cell.textContent)"""


def arrived(text: str) -> str:
    """Return the expression that a message has come back to all."""
    return f"((all) => all.length === {len(CARDS)} && all.every((cell) => /^[0-9.]+ m?s$/.test(cell)))({trips(text)})"


def accepted(page: Page) -> list[int]:
    """Return the messages that each transport's server has accepted, by the page's own connections."""
    found: list[int] = page.value("""(async () => {
        const { ports } = await (await fetch("/tabs", { method: "POST" })).json();
        const stats = await Promise.all(ports.map((port) => fetch(`http://127.0.0.1:${port}/stats`)));
        return (await Promise.all(stats.map((each) => each.json()))).map((each) => each.messages_accepted); })()""")
    return found


def test_a_feed_without_messages_has_no_chat_box(page: Page) -> None:
    assert page.value("getComputedStyle(document.getElementById('chat')).display") == "none"


def test_a_message_goes_over_each_transports_own_way_and_comes_back_over_it(chat: Page) -> None:
    before = accepted(chat)
    write(chat, "hello to all four")
    chat.wait(arrived("hello to all four"))
    assert [now - once for now, once in zip(accepted(chat), before, strict=True)] == [1] * len(CARDS)
    chat.wait("document.getElementById('status').textContent.includes('“hello to all four” came back')")
    assert chat.value("document.querySelector('#chat input').value") == ""
    chat.wait(every("updates", f"Number(text) >= {len(CARDS)}"))
    assert chat.value(part("tick")) == ["AAA hello to all four"] * len(CARDS)
    assert chat.complaints == []


@pytest.mark.parametrize("way", range(len(CARDS)))
def test_a_message_that_goes_one_way_arrives_over_all(chat: Page, way: int) -> None:
    before, text = accepted(chat), f"hello by {CARDS[way]}"
    chat.value(f"document.querySelector('#chat [name=way]').value = '{way}'")
    write(chat, text)
    chat.wait(arrived(text))
    chat.value("document.querySelector('#chat [name=way]').value = ''")
    more = [now - once for now, once in zip(accepted(chat), before, strict=True)]
    assert more == [int(n == way) for n in range(len(CARDS))]


@pytest.mark.parametrize("way", range(len(CARDS)))
def test_what_is_refused_is_said(chat: Page, way: int) -> None:
    chat.value(f"document.querySelector('#chat [name=way]').value = '{way}'")
    chat.value("""(async () => {
        const box = document.querySelector("#chat input");
        const some = (text) => [...document.querySelectorAll("#chat dd")].some((cell) => cell.textContent === text);
        do {   // all at once: more than are allowed in a second, and more than are shown
            for (let number = 0; number < 30; number += 1) {
                box.value = `one of many: ${number}.`;
                box.form.requestSubmit();
            }
            while (some("under way")) await new Promise((done) => setTimeout(done, 50));
        } while (!document.getElementById("status").textContent.includes("was not accepted"));
    })()""")
    assert "refused: too-many" in chat.value("document.getElementById('chat').textContent")
    assert chat.value("document.querySelectorAll('#chat li').length") == 5
    chat.value("document.querySelector('#chat [name=way]').value = ''")


def test_a_message_whose_answer_is_lost_is_not_said_to_be_refused(chat: Page) -> None:
    found = chat.value("""(async () => {
        const { Chat } = await import("/chat.js");
        const section = document.getElementById("chat").cloneNode(true);
        const client = { send: () => Promise.reject(new Error("closed")) };
        const card = { subject: { title: "One", colour: "red", label: "one" }, feed: {}, client };
        const said = [];
        const mine = new Chat(section, [card], ["AAA"], { say: (text) => said.push(text), time: String });
        await mine.send("hello", "AAA", undefined);
        return [said[0], section.querySelector("ol dd").textContent]; })()""")
    assert found == ["“hello” has no answer.", "no answer: closed"]


REFUSED, CAME_BACK = "“newer” was not accepted.", "“older” came back: One 1 ms."


@pytest.mark.parametrize(("order", "told"), [((0, 1), [CAME_BACK, REFUSED]), ((1, 0), [REFUSED])])
def test_an_older_message_that_comes_back_late_leaves_what_is_told_of_a_newer_one(
    chat: Page, order: tuple[int, int], told: list[str]
) -> None:
    found = chat.value(f"""(async () => {{
        const {{ Chat }} = await import("/chat.js");
        const section = document.getElementById("chat").cloneNode(true);
        const answers = [];
        const client = {{ send: () => new Promise((answer) => answers.push(answer)) }};
        const card = {{ subject: {{ title: "One", colour: "red", label: "one" }}, feed: {{}}, client }};
        const said = [];
        const mine = new Chat(section, [card], ["AAA"], {{ say: (text) => said.push(text), time: () => "1 ms" }});
        const sent = ["older", "newer"].map((text) => mine.send(text, "AAA", undefined));
        card.feed.heard({{ index: 7 }});
        for (const number of {list(order)}) {{
            answers[number]([{{ accepted: 7 }}, {{ error: "too-many" }}][number]);
            await sent[number];
        }}
        return [said, [...section.querySelectorAll("ol dd")].slice(0, 2).map((cell) => cell.textContent)]; }})()""")
    assert found == [told, ["refused: too-many", "1 ms"]]


def test_a_message_can_be_written_by_the_keyboard_and_its_way_is_named_for_a_screen_reader(chat: Page) -> None:
    chat.value("document.getElementById('anew').focus()")
    reached = []
    for _ in range(4):
        for kind in ("keyDown", "keyUp"):
            chat.ask("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.append(chat.value("document.activeElement.name || document.activeElement.type"))
    assert reached == ["text", "room", "way", "submit"]
    named = {(node["role"]["value"], node["name"]["value"]) for node in tree(chat) if node.get("name")}
    assert named >= {("textbox", "Message"), ("combobox", "Room"), ("combobox", "Send it"), ("button", "Send"),
                     ("region", "Write a message"), ("list", "Messages written here, the newest first")}


def tree(page: Page) -> list[dict[str, Any]]:
    """Return the page as a screen reader has it."""
    nodes: list[dict[str, Any]] = page.ask("Accessibility.getFullAXTree")["nodes"]
    return [node for node in nodes if not node["ignored"]]


@pytest.mark.parametrize("name", ["page", "chat"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_and_names_each_control(request: pytest.FixtureRequest, name: str, width: int, dark: bool) -> None:
    page: Page = request.getfixturevalue(name)
    page.size(width, 900, dark=dark)
    page.wait("document.querySelector('canvas').width === document.querySelector('canvas').clientWidth")
    assert page.value("document.documentElement.scrollWidth") <= width
    unnamed = [node["role"]["value"] for node in tree(page) if not node.get("name", {}).get("value")
               and node["role"]["value"] in ("button", "combobox", "link", "img", "article", "heading", "textbox")]
    assert unnamed == []
    folder = os.environ.get("TICKERTAPE_PICTURES")
    if folder:
        (Path(folder) / f"{name}-{width}{'-dark' * dark}.png").write_bytes(page.picture())


def test_nothing_comes_from_elsewhere_and_nothing_else_goes_wrong(page: Page) -> None:
    page.value("1")
    assert page.requested
    assert [url for url in page.requested if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:"))] == []
    assert [each for each in page.complaints if each["source"] != "network"] == []
    blocked = page.value("""fetch("http://127.0.0.2:9/").then(() => "let through", (error) => error.name)""")
    assert blocked == "TypeError"
    assert any("Content Security Policy" in each["text"] for each in page.complaints), json.dumps(page.complaints)
