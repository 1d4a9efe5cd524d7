"""A reconnect storm: N clients lose their server at once, it comes back, and all want to connect.

    attempt ──► down: fails at once
            ├─► backlog full ─┬─ `refused`: at once, costs r·c of CPU, which is served before all else
            │                 └─ `dropped`: costs nothing, and the client is not informed: its kernel sends
            │                    the SYN again after 1 s, 3 s, 7 s … until the client gives up
            └─► waits in the backlog ──► c of CPU ──► connected
                     └─ after the timeout the client gives up and backs off;
                        its place is kept and its c is spent all the same (stale)

One worker connects C = 1/c clients per second, so nothing recovers before N/C: the floor. A backlog of Q is
harmless only while Q ≤ C·timeout. If a longer one stays full, every completion is stale, which keeps the
clients coming and the backlog full. Such a state lasts though its cause is gone (Bronson et al., "Metastable
Failures in Distributed Systems", HotOS 2021). Refusals come first since they are made on arrival, in the
kernel or in the loop that accepts; so enough of them leave no CPU for connecting (receive livelock: Mogul and
Ramakrishnan, 1997). Whether a server refuses or drops is an assumption on which the result may depend. A
server that accepts every connection and refuses in its own loop or proxy refuses. A full listen backlog drops
(Linux, tcp_abort_on_overflow = 0), and the SYN is sent again by RFC 6298's timer, which begins at 1 s and
doubles.

The simulation is exact: a heap of attempts and timeouts, a FIFO worker, no time steps. `Timeline` counts
events by second.

Known weakness: attempts take no time on the network. The CPU of refusals is never deferred, which is the
worst case for an overloaded worker. Newer kernels send the first SYNs again every second.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from bench.scenario.storm import Backoff
from bench.simulation.storm.backoff import FIRST_ATTEMPT, WaitDraws, draws, is_drawn, wait_s

RECOVERED = 0.999
"""Share of connected clients at which a storm counts as over."""
ATTEMPT, TIMEOUT, SYN_AGAIN = 0, 1, 2
SYN_TIMER_S = 1.0
"""Seconds after which a kernel resends an unanswered SYN; each further wait is twice as long (RFC 6298)."""
Overflow = Literal["refused", "dropped"]


@dataclass(frozen=True, slots=True)
class StormConditions:
    """One worker and the clients that it lost. Times are in seconds."""

    clients: int
    connection_s: float
    """c: CPU for one connection."""
    backlog: int
    refusal_share: float
    """r: CPU of a refusal, as a share of c."""
    timeout_s: float
    down_s: float
    horizon_s: float
    """Simulated time after the server is back."""
    overflow: Overflow = "refused"
    """Treatment of an attempt that finds the backlog full."""

    def __post_init__(self) -> None:
        assert self.connection_s > 0, "where connections cost nothing there is no storm, and no share of their cost"

    @property
    def full_s(self) -> float:
        """CPU for an attempt that finds the backlog full."""
        return self.refusal_share * self.connection_s if self.overflow == "refused" else 0.0

    @property
    def floor_s(self) -> float:
        """N/C: the least time in which any policy can connect all clients."""
        return self.clients * self.connection_s

    @property
    def safe_backlog(self) -> float:
        """C·timeout: if a longer backlog is full, every client gives up before its turn (Little's law)."""
        return self.timeout_s / self.connection_s


@dataclass(slots=True)
class Timeline:
    """Counts of events in each second after the clients lost their server."""

    attempts: list[int]
    failed_down: list[int]
    refused: list[int]
    connected: list[int]
    """Clients that became connected in that second."""
    stale: list[int]
    """Connections made for a client that had given up."""
    waited_s: list[float]
    """Sum of the times from attempt to completion, over connected and stale attempts."""

    @classmethod
    def of(cls, seconds: int) -> Timeline:
        """Return an empty timeline of `seconds` seconds."""
        attempts, failed_down, refused, connected, stale = ([0] * seconds for _ in range(5))
        return cls(attempts, failed_down, refused, connected, stale, [0.0] * seconds)

    def table(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return the columns as arrays, each of shape (seconds,)."""
        names = ("attempts", "failed_down", "refused", "connected", "stale", "waited_s")
        return {name: np.array(getattr(self, name), dtype=np.float64) for name in names}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a storm. Instants count from the loss of the server."""

    conditions: StormConditions
    connected: int
    recovered_s: float
    """Seconds from the server's return until 99.9 % of the clients were connected; infinite if never."""
    attempts: int
    failed_down: int
    refused: int
    stale: int
    ended_s: float
    """The instant at which the last client was connected, or the horizon was reached."""
    attempts_by_client: tuple[int, int]
    """Median and maximum of the attempts per client, with SYNs that were sent again, as in `attempts`."""
    timeline: Timeline = field(repr=False)

    @property
    def wasted_share(self) -> float:
        """Share of the used CPU time that connected no client: refusals and stale connections."""
        wasted = self.stale + self.conditions.full_s / self.conditions.connection_s * self.refused
        return wasted / (wasted + self.connected) if wasted else 0.0


class _Worker:
    """The server's side: a FIFO queue of connections, and refusals that are served first."""

    def __init__(self, conditions: StormConditions, timeline: Timeline) -> None:
        self.conditions, self.timeline = conditions, timeline
        self.queue: deque[tuple[int, float]] = deque()
        """Clients with the instants of their attempts."""
        self.through_s = conditions.down_s
        """The instant at which the first of the queue is done; with an empty queue, at which it is free."""
        self.is_connected = bytearray(conditions.clients)
        self.connected = self.refused = self.stale = 0
        self.recovered_at_s = self.last_at_s = math.inf
        self.place_s = 0.0
        """The latest instant at which a refused client was asked to come back."""

    def work_until(self, now_s: float) -> None:
        """Complete the connections that are done by `now_s`."""
        given = self.conditions
        while self.queue and self.through_s <= now_s:
            client, asked_s = self.queue.popleft()
            second = min(int(self.through_s), len(self.timeline.connected) - 1)
            self.timeline.waited_s[second] += self.through_s - asked_s
            if self.through_s <= asked_s + given.timeout_s:
                assert not self.is_connected[client], "no client connects twice"
                self.is_connected[client] = 1
                self.connected += 1
                self.timeline.connected[second] += 1
                if self.connected == math.ceil(RECOVERED * given.clients):
                    self.recovered_at_s = self.through_s
                self.last_at_s = self.through_s
            else:
                self.stale += 1
                self.timeline.stale[second] += 1
            if self.queue:
                self.through_s += given.connection_s

    def takes(self, now_s: float, client: int, asked_s: float) -> bool:
        """Give an attempt that began at `asked_s` a place in the backlog; return False if it is full.

        A refusal delays all waiting clients.
        """
        given = self.conditions
        self.work_until(now_s)
        if len(self.queue) < given.backlog:
            if not self.queue:
                self.through_s = max(now_s, self.through_s) + given.connection_s
            self.queue.append((client, asked_s))
            return True
        self.refused += 1
        self.timeline.refused[int(now_s)] += 1
        self.through_s += given.full_s
        return False

    def retry_after_s(self, now_s: float) -> float:
        """Return the seconds after which a refused client is to come back: a place behind the queue."""
        given = self.conditions
        behind = now_s + len(self.queue) * given.connection_s
        self.place_s = max(self.place_s, behind) + given.connection_s * (1 + given.refusal_share)
        return math.ceil(self.place_s - now_s)


def simulate(conditions: StormConditions, backoff: Backoff, seed: int) -> Outcome:
    """Simulate one storm in which every client of the worker follows `backoff`."""
    end_s = conditions.down_s + conditions.horizon_s
    drops = conditions.overflow == "dropped"
    timeline = Timeline.of(math.ceil(end_s) + 1)
    worker = _Worker(conditions, timeline)
    failures, tries = [0] * conditions.clients, [0] * conditions.clients
    before_s = [backoff.base_s] * conditions.clients
    luck = WaitDraws(seed, conditions.clients) if is_drawn(backoff) else None
    first = draws(seed, FIRST_ATTEMPT, 0, conditions.clients)
    events = [(backoff.window_s * first[client], client, ATTEMPT, 0.0)
              for client in range(conditions.clients)]
    heapq.heapify(events)

    def again(now_s: float, client: int, retry_after_s: float = 0.0) -> None:
        """Schedule the next attempt of a client that has failed."""
        count = failures[client]
        wait = wait_s(backoff, count, luck.of(count, client) if luck else 0.0, before_s[client])
        failures[client], before_s[client] = count + 1, wait
        heapq.heappush(events, (now_s + (retry_after_s or wait), client, ATTEMPT, 0.0))

    failed_down = 0
    while events and worker.connected < conditions.clients:
        now_s, client, kind, began_s = heapq.heappop(events)
        if now_s > end_s:
            break
        if kind == TIMEOUT:
            worker.work_until(now_s)
            if not worker.is_connected[client]:
                again(now_s, client)
            continue
        timeline.attempts[int(now_s)] += 1
        tries[client] += 1
        if now_s < conditions.down_s:
            failed_down += 1
            timeline.failed_down[int(now_s)] += 1
            again(now_s, client)
            continue
        asked_s = began_s if kind == SYN_AGAIN else now_s
        taken = worker.takes(now_s, client, asked_s)
        if kind == ATTEMPT and (taken or drops):
            heapq.heappush(events, (now_s + conditions.timeout_s, client, TIMEOUT, 0.0))
        if drops and not taken:
            next_s = asked_s + 2 * (now_s - asked_s) + SYN_TIMER_S   # 1, 3, 7 … s after the first
            if next_s < asked_s + conditions.timeout_s:
                heapq.heappush(events, (next_s, client, SYN_AGAIN, asked_s))
        elif not taken:
            again(now_s, client, worker.retry_after_s(now_s) if backoff.heeds_retry_after else 0.0)
    worker.work_until(end_s)
    return _outcome(worker, tries, failed_down, end_s)


def _outcome(worker: _Worker, tries: list[int], failed_down: int, end_s: float) -> Outcome:
    whole = worker.connected == worker.conditions.clients
    return Outcome(
        conditions=worker.conditions, connected=worker.connected,
        recovered_s=worker.recovered_at_s - worker.conditions.down_s,
        attempts=sum(worker.timeline.attempts), failed_down=failed_down, refused=worker.refused,
        stale=worker.stale, ended_s=worker.last_at_s if whole else end_s,
        attempts_by_client=(int(np.median(tries)), max(tries)), timeline=worker.timeline,
    )
