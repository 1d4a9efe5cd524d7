from __future__ import annotations

import json
from typing import Any, cast

import pytest

from bench.browser.chromium import Browser
from bench.browser.devtools import BrowserError, Page
from bench.clock import RunClock
from bench.load.browser.events import Asking, PageClient
from bench.load.browser.pages import BRACKETS, ClientPage
from bench.measure.recording import Recorder
from bench.transports import ClientSpec
from bench.wire.contract import Subscription


class FakePage:
    """A page whose clock shows the run clock, and whose notes are set by a test."""

    def __init__(self) -> None:
        self.clock = RunClock.start()
        self.asked: list[str] = []
        self.isolated = True
        self.noted: dict[str, Any] = {"events": [], "turns": [], "ticks": 0, "problems": []}

    def open(self, url: str) -> None:
        self.asked.append(url)

    def wait(self, expression: str) -> None:
        self.asked.append(expression)

    def value(self, expression: str) -> Any:
        self.asked.append(expression)
        now_ms = self.clock.now_ns() / 1e6
        if expression == "performance.now()":
            return now_ms
        if expression == "tickertape.isolated":
            return self.isolated
        return json.dumps({"now": now_ms, **self.noted}) if "handOver" in expression else None


class FakeBrowser:
    def __init__(self) -> None:
        self.last = FakePage()

    def page(self) -> Page:
        return cast(Page, self.last)


def opened() -> tuple[ClientPage, FakePage]:
    browser = FakeBrowser()
    return ClientPage.open(cast(Browser, browser), "http://127.0.0.1:1/", browser.last.clock), browser.last


def begun() -> tuple[ClientPage, FakePage, PageClient]:
    mine, page = opened()
    mine.bracket()
    mine.clock.settle()
    asking = Asking(polls=False, may_wait=False, interval_ms=0.0, refusal_words={})
    client = PageClient(ClientSpec(0, "127.0.0.1:2", Subscription()), Recorder(), mine.clock, asking)
    mine.begin(client, 2, "symbols=A", {"interval_s": 1.0})
    return mine, page, client


def test_its_clock_is_read_often_enough_to_know_it_well() -> None:
    mine, page = opened()
    mine.bracket()
    mine.clock.settle()
    assert mine.clock.readings == BRACKETS
    assert abs(mine.clock.offset_ns) <= mine.clock.error_ns   # both clocks are one
    assert page.asked[0] == "http://127.0.0.1:1/"


def test_a_page_with_a_coarse_clock_is_refused() -> None:
    browser = FakeBrowser()
    browser.last.isolated = False
    with pytest.raises(BrowserError, match="too coarse"):
        ClientPage.open(cast(Browser, browser), "http://127.0.0.1:1/", browser.last.clock)


def test_the_client_begins_with_the_port_the_query_and_the_options_of_the_subject() -> None:
    _, page, _ = begun()
    settings = json.loads(page.asked[-1].removeprefix("tickertape.begin(").removesuffix(")"))
    assert (settings["port"], settings["query"], settings["options"]) == (2, "symbols=A", {"interval_s": 1.0})


def test_what_it_noted_is_taken_and_nothing_earlier_can_come() -> None:
    mine, page, client = begun()
    client.plan_readings((page.clock.now_ns(),))
    page.noted |= {"events": [["took", page.clock.now_ns() / 1e6, {"cursor": "e:1", "more": False, "ticks": []}]],
                   "ticks": 7}
    before_ns = mine.hand_over()
    assert (client.subscribed, client.ticks, len(client.readings)) == (True, 7, 1)
    client.plan_readings((before_ns + 1,))
    page.noted["events"] = []
    assert mine.hand_over() > before_ns
    assert len(client.readings) == 2


def test_code_that_failed_in_the_page_is_an_error() -> None:
    mine, page, _ = begun()
    page.noted["problems"] = ["x is not defined"]
    with pytest.raises(BrowserError, match="x is not defined"):
        mine.hand_over()
