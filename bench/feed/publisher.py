"""The publisher: a process that sends each tick when it is due.

    python -m bench.feed.publisher CONFIG         (a JSON file; uses the control channel, `bench.lifeline`)

    ► {"ready": {"host", "port", "epoch"}}        it listens; subscribers may come
    ◄ {"start": {"warmup_ns": N}}                 the schedule's offset 0 is due at N on the run clock
    ◄ {"stop": {}}
    ► {"done": {"epoch", "published", "lateness_p50_ns", "lateness_p99_ns", "lateness_max_ns",
                  "priority"}}

Open loop: due instants are those of the schedule, whatever happens. A publisher that is late sends all
ticks that are due at once and skips none. The lateness of each is in the log (`bench.feed.log`).

To be punctual it sleeps until shortly before the instant (`Alarm`) and spins for the rest: at most
400 µs, and never more than a tenth of the mean gap between ticks, so that spinning costs at most a
tenth of a core. At 1000 ticks per second it spins for 100 µs; at 10,000 it is late by the length of a
wake-up. Lines are encoded ahead while nothing is due, so that at the due instant only a write is left.

A process that is started with `warmup_ns` in its config is a second life. Its first tick is the first
that is due after its start; ticks due before that are never published. Each life has its own epoch
and counts `seq` from 1.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import uvloop
from pydantic import BaseModel, ConfigDict

from bench.clock import RunClock
from bench.errors import UserError
from bench.feed import schedule as schedules
from bench.feed.log import FeedLog
from bench.feed.outlet import Outlet
from bench.feed.schedule import Schedule
from bench.feed.tape import Tape
from bench.feed.tick import ENCODERS, Tick
from bench.feed.timer import Alarm
from bench.lifeline import Lifeline
from bench.scenario.model import Feed

SPIN_MAX_NS = 400_000
SPIN_SHARE = 0.1
"""The largest share of a core that spinning may take."""
AHEAD_TICKS = 256
AHEAD_MARGIN_NS = 200_000
"""No line is encoded ahead in the last stretch of this length before the alarm, in ns."""
BURST_TICKS = 64
"""The largest number of ticks that are sent before the loop may do other work."""
NICE = -10


class PublisherConfig(BaseModel):
    """The configuration that the runner passes; see `bench.scenario.model.Feed` for the feed's own fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feed: Feed
    seed: int
    horizon_s: float
    """Ticks are due up to this long after the start of warm-up."""
    t0_s: float
    """The start of measuring, from the start of warm-up; a replay's `start` falls on it."""
    clock_origin_ns: int
    host: str = "127.0.0.1"
    port: int = 0
    hold_ticks: int = 65536
    """The number of ticks that are held for subscribers that come back."""
    folder: Path
    """The folder of the log."""
    warmup_ns: int | None = None
    """Set for a second life: the start of the schedule's offsets on the run clock."""


@dataclass(frozen=True, slots=True)
class Life:
    """The parts of one life of a feed's process, from which what sends the ticks is made."""

    loop: asyncio.AbstractEventLoop
    config: PublisherConfig
    schedule: Schedule
    clock: RunClock
    tape: Tape
    log: FeedLog


class Sender(Protocol):
    """The object that sends the ticks of one life."""

    outlet: Outlet
    published: int

    def start(self, warmup_ns: int, first: int = 0) -> None:
        """Begin: offset 0 is due at `warmup_ns` on the run clock, and `first` is the first index to send."""

    def stop(self) -> None:
        """Stop sending ticks."""

    def lateness_ns(self) -> dict[str, int | None]:
        """Return the lateness of the ticks sent, in ns: `lateness_p50_ns`, `lateness_p99_ns`, `lateness_max_ns`."""


class Publisher:
    """Sends a schedule's ticks to an outlet when they are due. Everything runs in the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        schedule: Schedule,
        clock: RunClock,
        outlet: Outlet,
        log: FeedLog,
        encode: Callable[[Tick], bytes] = ENCODERS["object"],
    ) -> None:
        self.schedule = schedule
        self.published = 0
        self._clock = clock
        self._encode = encode
        self.outlet = outlet
        self._log = log
        self._alarm = Alarm(loop, self._wake)
        self._spin_ns = spin_ns(schedule)
        self._first = self._next = 0
        self._warmup_ns = 0
        self._ahead: deque[bytes] = deque()
        self._lateness_ns = np.zeros(len(schedule), dtype=np.int64)

    def start(self, warmup_ns: int, first: int = 0) -> None:
        """Begin with the index `first`; offset 0 is due at `warmup_ns` on the run clock."""
        self._warmup_ns = warmup_ns
        self._first = self._next = first
        self._sleep()

    def stop(self) -> None:
        """Stop sending ticks."""
        self._alarm.close()

    def lateness_ns(self) -> dict[str, int | None]:
        """Return the lateness of the ticks sent: median, 99th percentile (nearest rank above) and maximum, in
        ns.

        The values are None if no tick was sent.
        """
        return lateness_ns(self._lateness_ns[: self.published])

    def _due_ns(self, index: int) -> int:
        return self._warmup_ns + int(self.schedule.offset_ns[index])

    def _line(self, index: int) -> bytes:
        return self._encode(self.schedule.tick(index, index - self._first + 1, self._due_ns(index)))

    def _sleep(self) -> None:
        """Encode ahead as long as there is time, then arm the alarm for the next tick."""
        if self._next == len(self.schedule):
            return
        wake_ns = self._due_ns(self._next) - self._spin_ns
        now_ns = self._clock.now_ns
        end = min(len(self.schedule), self._next + AHEAD_TICKS)
        while self._next + len(self._ahead) < end and now_ns() < wake_ns - AHEAD_MARGIN_NS:
            self._ahead.append(self._line(self._next + len(self._ahead)))
        self._alarm.arm(wake_ns + self._clock.origin_ns)

    def _wake(self) -> None:
        """Spin until the next tick is due, and send all that is due."""
        due_ns = self._due_ns(self._next)
        now_ns = self._clock.now_ns()
        while now_ns < due_ns:
            now_ns = self._clock.now_ns()
        end = self._next + 1
        while end < min(len(self.schedule), self._next + BURST_TICKS) and self._due_ns(end) <= now_ns:
            end += 1
        while self._next + len(self._ahead) < end:
            self._ahead.append(self._line(self._next + len(self._ahead)))
        sent_ns = self._clock.now_ns()
        for index in range(self._next, end):
            self._put(index, sent_ns)
        self._next = end
        self.outlet.publish()
        self._sleep()

    def _put(self, index: int, sent_ns: int) -> None:
        """Put one tick on the tape and into the log."""
        line = self._ahead.popleft()
        seq = index - self._first + 1
        self._log.record(index, seq, sent_ns, len(line))
        self.outlet.tape.append(seq, self.schedule.symbols[self.schedule.symbol[index]], line)
        self._lateness_ns[self.published] = sent_ns - self._due_ns(index)
        self.published += 1


def lateness_ns(late: npt.NDArray[np.int64]) -> dict[str, int | None]:
    """Return the median, 99th percentile (nearest rank above) and maximum of latenesses in ns; None without any."""
    return {
        f"lateness_{name}_ns": int(np.percentile(late, share, method="higher")) if late.size else None
        for name, share in (("p50", 50), ("p99", 99), ("max", 100))
    }


def spin_ns(schedule: Schedule) -> int:
    """Return the time to wake before an instant, in ns: a tenth of the mean gap, at most 400 µs."""
    if len(schedule) < 2:
        return SPIN_MAX_NS
    mean_gap_ns = int(schedule.offset_ns[-1] - schedule.offset_ns[0]) // (len(schedule) - 1)
    return min(SPIN_MAX_NS, int(SPIN_SHARE * mean_gap_ns))


def new_life(folder: Path, ticks: int) -> tuple[str, FeedLog]:
    """Return an epoch that no earlier life in `folder` had, and its log."""
    while True:
        epoch = secrets.token_hex(2)
        try:
            return epoch, FeedLog(folder, epoch, ticks)
        except FileExistsError:
            continue


def raise_priority() -> str:
    """Ask for a higher priority, which only some users get, and return the priority obtained.

    As a real-time process (round robin) a wake-up preempts whatever runs on the core. A lower nice
    value alone does not do that: the wake-up then waits for the scheduler's next tick, up to 4 ms.
    Real-time processes leave other processes a twentieth of each second, which the kernel sees to.
    """
    with suppress(OSError, AttributeError):  # not allowed; not Linux
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        return "real-time"
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        return f"nice {NICE}"
    return "normal"


def _listen(lifeline: Lifeline, publisher: Sender, stop: Callable[[], None]) -> None:
    """Carry out the runner's messages; stop if the runner is gone."""
    messages = lifeline.receive_ready()
    if messages is None:
        stop()
        return
    for message in messages:
        if "start" in message:
            publisher.start(message["start"]["warmup_ns"])
        elif "stop" in message:
            stop()


def by_schedule(life: Life) -> Publisher:
    """Return the publisher that sends each tick when it is due."""
    config = life.config
    outlet = Outlet(life.loop, life.tape, life.schedule.symbols, config.host, config.port)
    return Publisher(life.loop, life.schedule, life.clock, outlet, life.log, ENCODERS[config.feed.encoding])


async def run(
    config: PublisherConfig, lifeline: Lifeline, assemble: Callable[[Life], Sender] = by_schedule
) -> None:
    """Run one life, until the runner sends `stop` or is gone; `assemble` makes what sends its ticks."""
    loop = asyncio.get_running_loop()
    clock = RunClock(config.clock_origin_ns)
    schedule = schedules.make(config.feed, config.seed, config.horizon_s, config.t0_s)
    priority = raise_priority()
    epoch, log = new_life(config.folder, len(schedule))
    tape = Tape(config.hold_ticks)
    tape.begin(epoch, frozenset(schedule.symbols), after=0)
    publisher = assemble(Life(loop, config, schedule, clock, tape, log))
    stopped = asyncio.Event()
    loop.add_reader(lifeline.fileno(), _listen, lifeline, publisher, stopped.set)
    gc.collect()
    gc.freeze()  # a collection over all permanent objects would cost milliseconds
    host, port = publisher.outlet.address
    lifeline.send({"ready": {"host": host, "port": port, "epoch": epoch}})
    if config.warmup_ns is not None:
        publisher.start(config.warmup_ns, schedule.first_due_from(clock.now_ns() - config.warmup_ns))
    await stopped.wait()
    loop.remove_reader(lifeline.fileno())
    publisher.stop()
    publisher.outlet.close()
    log.close()
    facts = {"epoch": epoch, "published": publisher.published, "priority": priority}
    lifeline.send({"done": facts | publisher.lateness_ns()})


def main(
    arguments: list[str], model: type[PublisherConfig] = PublisherConfig,
    assemble: Callable[[Life], Sender] = by_schedule,
) -> int:
    """Run the command and return its exit status; a user's mistake ends it with status 2.

    `model` is the model of its configuration, and `assemble` makes what sends the ticks.
    """
    lifeline = Lifeline.from_environment()
    if lifeline is None or len(arguments) != 1:
        print("The publisher is started by a run or by `tickertape serve`.", file=sys.stderr)  # noqa: T201
        return 2
    try:
        uvloop.run(run(model.model_validate_json(Path(arguments[0]).read_bytes()), lifeline, assemble))
    except UserError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
