"""The work of a load process that drives a browser, and its messages to the runner, those of any load process.

    ► ready                        the pages are open, and their clocks are known
    ◄ target                       where the server listens
      pages begin, one after the other
    ► subscribed | failed          all clients have their first answer, or some don't in time
    ◄ windows                      when to measure
      twice a second each page hands over what it has noted, up to the end of the window; then more often
    ► settled                      everything owed has come, or the drain is over
      clients leave, clocks are read again, raw records are written
    ► done                         what the load says of itself

Handing its notes over holds a page up for less than a millisecond, and nothing but its client runs in it. The counts
at t0 and t1 are made from the notes afterwards (`bench.load.browser.events`).

When the runner is gone (end of file on the lifeline) the process ends at once, and its guard ends the browser.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench import transports
from bench.browser import chromium
from bench.browser.chromium import PROFILE, Browser
from bench.browser.devtools import BrowserError
from bench.clock import RunClock
from bench.lifeline import Lifeline
from bench.load.accounting import Accounting, Window
from bench.load.browser.events import Asking, PageClient, refusal_words
from bench.load.browser.pages import ClientPage
from bench.load.browser.site import PageSite
from bench.load.config import LoadConfig
from bench.load.readings import open_columns
from bench.measure.recording import Recorder
from bench.records.trial_record import COUNTED, COUNTED_BY_KERNEL, OPENING_AND_CLOSING, UNSEEN_BY_PAGES
from bench.scenario.fields import Table
from bench.scenario.model import Subject
from bench.transports import ClientSpec, random_of
from bench.wire.contract import Request
from bench.wire.options import HttpWire

HAND_OVER_S = 0.5
"""The time between two hand-overs of a page's notes, up to t1."""
SETTLE_EVERY_S = 0.05
"""The time between two hand-overs while the pages subscribe, and after t1."""
SUBSCRIBE_LIMIT_S = 20.0
"""The longest time for all clients to get their first answers, after the last one should have begun."""
GONE = 3
"""Exit status when the runner is gone."""


class RunnerMessages:
    """The conversation with the runner; its messages arrive in a thread."""

    def __init__(self, lifeline: Lifeline) -> None:
        self._lifeline = lifeline
        self._inbox: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def say(self, message: dict[str, Any]) -> None:
        """Send a message to the runner."""
        self._lifeline.send(message)

    def receive(self, key: str, timeout_s: float | None = None) -> Any:
        """Return the content of the runner's next message, which is `key`; None where none comes within `timeout_s`."""
        try:
            return self._inbox.get(timeout=timeout_s)[key]
        except queue.Empty:
            return None

    def _listen(self) -> None:
        while (message := self._lifeline.receive()) is not None:
            self._inbox.put(message)
        os._exit(GONE)


@dataclass(frozen=True, slots=True)
class Spawned:
    """The clients, which have been told to begin; `_spawn` returns them once all are subscribed."""

    pages: tuple[ClientPage, ...]
    began_ns: int
    """The instant at which the first was to begin."""

    @property
    def clients(self) -> list[PageClient]:
        """Return the clients of the pages."""
        return [page.client for page in self.pages if page.client is not None]


class BrowserSession:
    """The load of one process: clients that are pages of a browser."""

    def __init__(self, config: LoadConfig, channel: RunnerMessages) -> None:
        assert config.folder is not None, "a browser is only driven in a trial"
        self.config = config
        self.folder = config.folder
        self.channel = channel
        self.clock = RunClock(config.clock_origin_ns)
        self.recorder = Recorder()
        subject = Subject(transport=config.transport, **config.options)
        self._options = transports.options(config.subject, subject, "the load's configuration")
        self._asking = asking(config.transport, self._options)

    def run(self) -> None:
        """Conduct the trial. Raises `BrowserError` where the browser, or the code in a page, fails."""
        path = chromium.found()
        if path is None:
            raise BrowserError(chromium.ABSENT)
        module = transports.describe(self.config.transport).live
        assert module is not None, "the plan refuses a transport without a client in a page"
        assert self.config.page_port is not None, "the runner reserves a port"
        profile = self.folder / "logs" / PROFILE
        try:
            with PageSite(module, self.config.page_port) as site, chromium.started(path, profile) as browser:
                self._conduct(browser, site)
        finally:
            shutil.rmtree(profile, ignore_errors=True)

    def _conduct(self, browser: Browser, site: PageSite) -> None:
        pages = [ClientPage.open(browser, site.address, self.clock) for _ in self.config.numbers]
        for page in pages:
            page.bracket()
            page.clock.settle()
        self.channel.say({"ready": {}})
        spawned = self._spawn(pages, int(self.channel.receive("target")["port"]))
        if spawned is None:
            return
        self.channel.say({"subscribed": {"at_ns": self.clock.now_ns()}})
        while (said := self.channel.receive("windows", HAND_OVER_S)) is None:
            _hand_over(pages)
        window = Window.of(said)
        for client in spawned.clients:
            client.plan_readings((window.instants.t0_ns, window.instants.t1_ns))
        while (left_s := (window.instants.t1_ns - self.clock.now_ns()) / 1e9) > 0:
            time.sleep(min(HAND_OVER_S, left_s))
            _hand_over(pages)
        alive = len(pages)   # each has just answered
        self._settle(window, spawned)
        self._finish(spawned, alive, _all_gaps([client.gaps.facts() for client in spawned.clients]))

    def _spawn(self, pages: Sequence[ClientPage], port: int) -> Spawned | None:
        """Let the clients begin at the spawn rate, each poller at its own phase, and wait until all are subscribed.

        Returns None, after a report to the runner, where time is up before.
        """
        config, interval_s = self.config, self._asking.interval_ms / 1000
        began_ns = self.clock.now_ns()
        starts = sorted(
            (place / config.spawn_rate_per_s + random_of(config.seed, number).random() * interval_s, place)
            for place, number in enumerate(config.numbers))
        for start_s, place in starts:
            time.sleep(max(0.0, start_s - (self.clock.now_ns() - began_ns) / 1e9))
            number = config.number(place)
            subscription = config.subscription(number)
            spec = ClientSpec(number, f"{config.host}:{port}", subscription)
            client = PageClient(spec, self.recorder, pages[place].clock, self._asking)
            options = self._options.model_dump(mode="json")
            pages[place].begin(client, port, Request(subscription, None).to_query(), options)
        spawned, ends = Spawned(tuple(pages), began_ns), time.monotonic() + SUBSCRIBE_LIMIT_S
        while not all(client.subscribed for client in spawned.clients):
            if time.monotonic() > ends:
                ready = sum(client.subscribed for client in spawned.clients)
                errors = dict(_errors(spawned.clients)) or "none"
                self.channel.say({"failed": {"reason": "not-subscribed", "detail": (
                    f"{ready} of {len(pages)} pages had a response after {SUBSCRIBE_LIMIT_S:g} s; errors: {errors}")}})
                return None
            time.sleep(SETTLE_EVERY_S)
            _hand_over(pages)
        return spawned

    def _settle(self, window: Window, spawned: Spawned) -> None:
        """Wait until nothing is owed and each page has noted a turn after t1, or the drain is over."""
        symbols = [self.config.subscription(number).symbols for number in self.config.numbers]
        accounting = Accounting(window.first_index, window.last_index, window.due, symbols, self.config.workers)
        taken = skips_taken = 0
        while True:
            for rows in self.recorder.deliveries_since(taken):
                accounting.take(rows)
                taken += len(rows)
            for skips in self.recorder.skips_since(skips_taken):
                accounting.take_skips(skips)
                skips_taken += len(skips)
            now_ns = self.clock.now_ns()
            complete = accounting.missing == 0 and all(client.measured for client in spawned.clients)
            if complete or now_ns >= window.instants.end_ns:
                break
            time.sleep(SETTLE_EVERY_S)
            _hand_over(spawned.pages)
        self.channel.say({"settled": {"at_ns": now_ns}})

    def _finish(self, spawned: Spawned, alive: int, gaps: Mapping[str, int]) -> None:
        """Let the clients leave, write the records and report."""
        for page in spawned.pages:
            page.end()
            page.hand_over()
            page.bracket()
        stopped_ns = self.clock.now_ns()
        self.recorder.write(self.folder, [self._client_row(client, stopped_ns) for client in spawned.clients])
        self.channel.say({"done": {**gaps, **self._facts(spawned, alive)}})
        for page in spawned.pages:
            page.close()

    def _client_row(self, client: PageClient, stopped_ns: int) -> dict[str, Any]:
        """Return a client's row of `trial_record.CLIENTS`; what a page can't see is null."""
        before, after = client.readings
        counted: dict[str, int | None] = {
            name: late - early for name, early, late in zip(COUNTED, before.counts, after.counts, strict=True)}
        symbols = self.config.subscription(client.spec.number).symbols
        return {
            "client": client.spec.number,
            "symbols": None if symbols is None else sorted(symbols),
            "subscribed_ns": client.subscribed_ns,
            "counted_from_ns": before.at_ns,
            "counted_to_ns": after.at_ns,
            **counted, **dict.fromkeys(UNSEEN_BY_PAGES),
            **open_columns(after, client.counts, stopped_ns),
            **dict.fromkeys((*COUNTED_BY_KERNEL, *OPENING_AND_CLOSING)),
            "errors": client.counts.errors.total(),
        }

    def _facts(self, spawned: Spawned, alive: int) -> dict[str, Any]:
        """Return the load's report on itself, without the turns; `polls_late` covers the window."""
        clients, clocks, late = spawned.clients, [page.clock for page in spawned.pages], COUNTED.index("polls_late")
        return {
            "polls_late": sum(client.readings[1].counts[late] - client.readings[0].counts[late] for client in clients),
            "errors": dict(_errors(clients)),
            "users_at_t0": len(spawned.pages),
            "users_at_t1": alive,
            "deliveries": sum(client.ticks for client in clients),
            "clock_step_ns": max(clock.step_ns for clock in clocks),
            "clock_error_ns": max(clock.error_ns for clock in clocks),
            "clock_readings": sum(clock.readings for clock in clocks),
            "spawn_ns": max(client.subscribed_ns or 0 for client in clients) - spawned.began_ns,
        }


def asking(transport: str, options: Table) -> Asking:
    """Return the way in which a transport's clients ask, by its options and its words for refusals."""
    polls = isinstance(options, HttpWire)
    words = refusal_words(transports.describe(transport).refusal_words)
    return Asking(polls, hasattr(options, "hold_s"), 1000 * float(getattr(options, "interval_s", 0.0)), words)


def _hand_over(pages: Sequence[ClientPage]) -> None:
    for page in pages:
        page.hand_over()


def _errors(clients: Sequence[PageClient]) -> Counter[str]:
    return sum((client.counts.errors for client in clients), Counter[str]())


def _all_gaps(facts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Return the values of the turns of all pages together: the sum of a count, the longest of a time (`…_ns`)."""
    return {name: (max if name.endswith("_ns") else sum)(each[name] for each in facts) for name in facts[0]}
