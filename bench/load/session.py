"""The work of a load process in a trial, and its messages to the runner.

    ► ready                        Locust is up
    ◄ target                       where the server listens (unless the configuration said so)
      users are spawned, each begins a client
    ► subscribed | failed          all clients have their first answer, or some don't in time
    ◄ windows                      when to measure
      t0: read every client's counters · t1: read again, then account for what is owed
    ► settled                      everything owed has come, or the drain is over
      raw records are written
    ► done                         what the load says of itself
      users are stopped in order, Locust quits

A reading (`Look`) takes a client's counts and its connections' `TCP_INFO` together, 64 clients at a time, so
that no update waits for it. The row of a client is the difference of two readings.

When the runner is gone (end of file on the lifeline) the process ends at once.
"""

from __future__ import annotations

import gc
import os
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import gevent
from gevent.event import Event
from gevent.queue import Queue
from locust.env import Environment

from bench import transports
from bench.clock import RunClock
from bench.lifeline import Lifeline
from bench.load import live
from bench.load.accounting import Accounting
from bench.load.config import LoadConfig
from bench.load.reactor import Reactor, spawn
from bench.measure.recording import Recorder
from bench.measure.tcp import TcpInfo, wire_bytes
from bench.records.trial_record import COUNTED, COUNTED_BY_KERNEL, OPEN, OPENING_AND_CLOSING, WindowInstants
from bench.scenario.model import Subject
from bench.transports import ClientMachine, ClientSpec, random_of
from bench.transports.link import Link
from bench.transports.tls import TlsMachine
from bench.transports.tls_sizes import client_context
from bench.wire.options import Wire

CLIENTS_A_LOOK = 64
SUBSCRIBE_LIMIT_S = 20.0
"""The longest time for all clients to get their first answers, after the last one should be spawned."""
STOP_LIMIT_S = 2.0
"""The longest time for a client to close gracefully."""
ACCOUNT_EVERY_NS = 2_000_000
GONE = 3
"""Exit status when the runner is gone."""
CRASHED = 4
"""Exit status after a bug."""


@dataclass(frozen=True, slots=True)
class Look:
    """A client's counters at one instant."""

    at_ns: int
    counts: tuple[int, ...]
    """In the order of `trial_record.COUNTED`."""
    tcp: TcpInfo | None
    asked_ns: int | None
    """The instant at which the request under way was sent."""


@dataclass(slots=True)
class Process:
    """The process's own state at one instant."""

    cpu_ns: int
    users: int


class Session:
    """The load of one process."""

    def __init__(self, config: LoadConfig, environment: Environment, lifeline: Lifeline | None) -> None:
        self.config = config
        self.environment = environment
        self.lifeline = lifeline
        self.clock = RunClock(config.clock_origin_ns)
        self.recorder = Recorder()
        self.reactor: Reactor | None = None
        subject = Subject(transport=config.transport, **config.options)
        self._options = transports.options(config.subject, subject, "the load's configuration")
        self._client_class = transports.part(config.transport, "client").Client
        self._inbox: Queue[dict[str, Any]] = Queue()
        self._links: list[Link] = []
        self._subscribed_ns: list[int | None] = []
        self._looks: dict[str, list[Look]] = {"t0": [], "t1": []}
        self._process: dict[str, Process] = {}
        self._spawn_began_ns = 0
        self._stopped_ns = 0
        self._shown = 0
        self._shown_errors: Counter[str] = Counter()

    # Beginning

    def open(self) -> None:
        """Report that Locust is up, and wait for the server's address."""
        host, port, certificate = self.config.host, self.config.port, None
        if self.lifeline is not None:
            spawn(self._listen, self._crash)
        self.say({"ready": {}})
        if port is None:
            assert self.lifeline is not None, "a load without a runner needs a port"
            target = self._inbox.get()["target"]
            host, port, certificate = target["host"], int(target["port"]), target.get("certificate")
        self._host = f"{host}:{port}"
        secure = isinstance(self._options, Wire) and self._options.tls
        self._tls = client_context(certificate) if secure else None
        self.reactor = Reactor(host, port, self.clock, self._crash)
        self.reactor.start()
        spawn(self._show_forever, self._crash)
        self._spawn_began_ns = self.clock.now_ns()
        if self.lifeline is not None:
            spawn(self._conduct, self._crash)

    def begin_client(self) -> Link:
        """Connect and subscribe one more client."""
        assert self.reactor is not None
        number = self.config.number(len(self._links))
        spec = ClientSpec(number, self._host, self.config.subscription(number))
        machine: ClientMachine = self._client_class(
            spec, self._options, self.recorder, random_of(self.config.seed, number)
        )
        if self._tls is not None:
            machine = TlsMachine(machine, self._tls, self._host.rpartition(":")[0])
        link = self.reactor.driver.add(machine)
        self._links.append(link)
        self._subscribed_ns.append(None)
        return link

    def end_client(self, link: Link) -> None:
        """Close a client's connection gracefully."""
        assert self.reactor is not None
        finished = Event()
        self.reactor.driver.stop(link, finished.set)
        finished.wait(STOP_LIMIT_S)

    # The conversation with the runner

    def say(self, message: dict[str, Any]) -> None:
        """Send a message to the runner, if there is one."""
        if self.lifeline is not None:
            self.lifeline.send(message)

    def _listen(self) -> None:
        """Put the runner's messages into the inbox; end the process when the runner is gone."""
        assert self.lifeline is not None
        while (message := self.lifeline.receive()) is not None:
            self._inbox.put(message)
        os._exit(GONE)

    def _crash(self, trace: str) -> None:
        """Report a bug in a greenlet on which everything depends, and end the process."""
        self.say({"failed": {"reason": "load-crashed", "detail": trace}})
        os.write(2, trace.encode())
        os._exit(CRASHED)

    def _conduct(self) -> None:
        """Conduct a trial, from the first user on."""
        assert self.reactor is not None
        if not self._wait_for_subscriptions():
            return
        gc.collect()
        gc.freeze()   # what is there by now stays; looking through it again would hold the loop for a while
        self.say({"subscribed": {"at_ns": self.clock.now_ns()}})
        message = self._inbox.get()["windows"]
        windows = WindowInstants(*(int(message[name]) for name in ("warmup_ns", "t0_ns", "t1_ns", "late_after_ns")))
        driver = self.reactor.driver
        driver.call_at(windows.t0_ns, self._at_t0)
        driver.call_at(windows.t1_ns, lambda: self._at_t1(windows, message))

    def _wait_for_subscriptions(self) -> bool:
        """Wait until all clients have their first answer or time is up; return True if all have it."""
        config = self.config
        limit_s = config.clients / config.spawn_rate_per_s + SUBSCRIBE_LIMIT_S
        while not self._all_subscribed():
            if self.clock.now_ns() - self._spawn_began_ns > limit_s * 1e9:
                count = sum(link.machine.subscribed for link in self._links)
                detail = f"{count} of {config.clients} clients had an answer after {limit_s:g} s"
                detail += f"; errors: {dict(self._errors()) or 'none'}"
                self.say({"failed": {"reason": "not-subscribed", "detail": detail}})
                return False
            gevent.sleep(0.01)
        return True

    def _all_subscribed(self) -> bool:
        """Record the clients that are subscribed by now; return True if all are."""
        now_ns = self.clock.now_ns()
        waiting = False
        for number, at_ns in enumerate(self._subscribed_ns):
            if at_ns is None:
                if self._links[number].machine.subscribed:
                    self._subscribed_ns[number] = now_ns
                else:
                    waiting = True
        return not waiting and len(self._links) >= len(self.config.numbers)

    # The windows

    def _at_t0(self) -> None:
        assert self.reactor is not None
        self.reactor.gaps.clear()
        self._process["t0"] = self._look_at_process()
        self._look("t0", 0)

    def _at_t1(self, windows: WindowInstants, message: dict[str, Any]) -> None:
        assert self.reactor is not None
        self._process["t1"] = self._look_at_process()
        self._gap_facts = self.reactor.gaps.facts()
        self._look("t1", 0)
        numbers = map(self.config.number, range(len(self._links)))
        symbols = [self.config.subscription(number).symbols for number in numbers]
        accounting = Accounting(
            message["first_index"], message["last_index"], message["due"], symbols, self.config.workers
        )
        self._account(accounting, windows, 0, 0)

    def _look_at_process(self) -> Process:
        runner = self.environment.runner
        return Process(time.process_time_ns(), runner.user_count if runner is not None else 0)

    def _look(self, at: str, first: int) -> None:
        """Read the counters of some clients now, and of the others in later turns."""
        assert self.reactor is not None
        looks = self._looks[at]
        for link in self._links[first : first + CLIENTS_A_LOOK]:
            counts = link.machine.counts
            now_ns = self.clock.now_ns()
            asked_ns = counts.look(now_ns)
            counted = tuple(getattr(counts, name) for name in COUNTED)
            looks.append(Look(now_ns, counted, link.tcp_info(), asked_ns))
        if len(looks) < len(self._links):
            self.reactor.driver.call_at(self.clock.now_ns(), lambda: self._look(at, len(looks)))

    def _account(self, accounting: Accounting, windows: WindowInstants, taken: int, skips_taken: int) -> None:
        """Count what was recorded since the last time, a piece at a time; settled when nothing is
        owed or time is up."""
        assert self.reactor is not None
        piece = next(self.recorder.deliveries_since(taken))
        accounting.take(piece)
        for skips in self.recorder.skips_since(skips_taken):
            accounting.take_skips(skips)
            skips_taken += len(skips)
        taken += len(piece)
        now_ns = self.clock.now_ns()
        complete = accounting.missing == 0 and taken == self.recorder.delivered
        if (complete or now_ns >= windows.end_ns) and len(self._looks["t1"]) == len(self._links):
            self.say({"settled": {"at_ns": now_ns}})
            spawn(self._finish, self._crash)
            return
        self.reactor.driver.call_at(
            now_ns + ACCOUNT_EVERY_NS, lambda: self._account(accounting, windows, taken, skips_taken)
        )

    # The end

    def _finish(self) -> None:
        """Write the records, report it, and leave."""
        assert self.config.folder is not None, "a trial has a folder"
        self._stopped_ns = self.clock.now_ns()
        self._say_goodbye()
        facts = self._facts()   # together with writing: nothing more is recorded in between
        self.recorder.write(self.config.folder, self._client_rows())
        self.say({"done": facts})
        self.environment.process_exit_code = 0
        if self.environment.runner is not None:
            self.environment.runner.quit()

    def _say_goodbye(self) -> None:
        """Close all connections gracefully, so that the cost of closing is recorded."""
        assert self.reactor is not None
        waiting, finished = [len(self._links)], Event()

        def one_less() -> None:
            waiting[0] -= 1
            if not waiting[0]:
                finished.set()

        for link in self._links:
            self.reactor.driver.stop(link, one_less)
        finished.wait(STOP_LIMIT_S)

    def _client_rows(self) -> list[dict[str, Any]]:
        """Return the rows of `trial_record.CLIENTS`."""
        rows = []
        for place, link in enumerate(self._links):
            number = self.config.number(place)
            symbols = self.config.subscription(number).symbols
            before, after = self._looks["t0"][place], self._looks["t1"][place]
            counted = [late - early for early, late in zip(before.counts, after.counts, strict=True)]
            rows.append({
                "client": number,
                "symbols": None if symbols is None else sorted(symbols),
                "subscribed_ns": self._subscribed_ns[place],
                "counted_from_ns": before.at_ns,
                "counted_to_ns": after.at_ns,
                **dict(zip(COUNTED, counted, strict=True)),
                **_open_columns(after, link, self._stopped_ns),
                **_tcp_columns(before.tcp, after.tcp),
                **_life_columns(link),
                "errors": link.machine.counts.errors.total(),
            })
        return rows

    def _facts(self) -> dict[str, Any]:
        """Return the load's report on itself; `turn_*`, `polls_late` and `cpu_ns` cover the window."""
        assert self.reactor is not None
        offsets = self.reactor.driver.offsets
        spawned_ns = max((at_ns for at_ns in self._subscribed_ns if at_ns is not None), default=0)
        late = COUNTED.index("polls_late")
        return {
            **self._gap_facts,
            "polls_late": sum(
                after.counts[late] - before.counts[late]
                for before, after in zip(self._looks["t0"], self._looks["t1"], strict=True)
            ),
            "errors": dict(self._errors()),
            "users_at_t0": self._process["t0"].users,
            "users_at_t1": self._process["t1"].users,
            "cpu_ns": self._process["t1"].cpu_ns - self._process["t0"].cpu_ns,
            "deliveries": self.recorder.delivered,
            "clock_step_ns": offsets.step_ns,
            "clock_readings": len(offsets.readings),
            "spawn_ns": spawned_ns - self._spawn_began_ns,
        }

    def _errors(self) -> Counter[str]:
        return sum((link.machine.counts.errors for link in self._links), Counter[str]())

    # Live numbers

    def _show_forever(self) -> None:
        while True:
            gevent.sleep(1.0)
            self.show()
            if self.config.folder is None:
                self.recorder.forget()

    def show(self) -> None:
        """Add what came since the last time to Locust's statistics, which a worker sends to its master."""
        stats, name = self.environment.stats, self.config.subject
        self._shown += live.add_updates(stats, name, self.recorder.deliveries_since(self._shown))
        errors = self._errors()
        live.add_errors(stats, name, errors - self._shown_errors)
        self._shown_errors = errors


def _tcp_columns(before: TcpInfo | None, after: TcpInfo | None) -> dict[str, int | None]:
    """Return the kernel's counts between two readings; null where it does not count."""
    columns: dict[str, int | None] = {}
    for name in COUNTED_BY_KERNEL:
        early, late = getattr(before, name, None), getattr(after, name, None)
        columns[name] = None if early is None or late is None else late - early
    return columns


def _open_columns(look: Look, link: Link, stopped_ns: int) -> dict[str, int | bool | None]:
    """Return the request that was under way at a reading (`trial_record.OPEN`); without an answer it ends
    with the client."""
    if look.asked_ns is None:
        return dict.fromkeys(OPEN)
    counts = link.machine.counts
    ended_ns = min(counts.open_ended_ns, stopped_ns)
    return dict(zip(OPEN, (look.asked_ns, ended_ns, counts.may_wait), strict=True))


def _life_columns(link: Link) -> dict[str, int | None]:
    """Return the cost of opening and closing the client's connections (`trial_record.OPENING_AND_CLOSING`)."""
    columns: dict[str, int | None] = dict.fromkeys(OPENING_AND_CLOSING)
    for what, count, took in (
        ("opening", link.openings, link.opening), ("closing", link.closings, link.closing)
    ):
        if took is not None and took.bytes_up is not None:
            syns = count if what == "opening" else 0
            columns |= {
                f"{what}s": count,
                f"{what}_bytes_up": wire_bytes(took.bytes_up, took.segments_up, syns),
                f"{what}_bytes_down": wire_bytes(took.bytes_down, took.segments_down, syns),
                f"{what}_segments_up": took.segments_up,
                f"{what}_segments_down": took.segments_down,
            }
    return columns
