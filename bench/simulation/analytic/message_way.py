"""The way of a client's message until the server has it as a tick, in place of the feed's delay.

    a + send + up + W + m + hop         W, the wait of a message that comes at random: `queueing`
    a = λ D² / 2(1 − λD)                D = up + W + m + hop + down, where an author's next message waits that long

W is over the server's jobs: messages of m CPU seconds each, fan-outs, and requests (those of a fan-out's readers as
one). For the rest it is a tick that takes m more, except that it ends a sleep of the hop alone; its fan-out is as cold
as the message found the server. A tick whose message came to another server is as a publisher's, but m later. An author
is a reader of its room as any other, so the mean round trip is the mean latency.

Known weakness: where all clients post, an author's messages are taken to come at random, each with the mean D. Fan-outs
are taken to come at random, too, though they come a hop after messages, and those of many ticks to be as long as those
of one. Messages that wait for a fan-out come back one after the other, and each of their ticks goes out alone, where
the forms let them share a message: with 300 readers and loads of 0.3 and 0.5 the CPU of a push is 3 and 7 % too low. At
loads of 0.1 to 0.9 W is 0.7 to 1.2 times the engine's for a push, up to 1.3 times for one that is flushed, and 1.05 to
1.9 times with parked requests, of which those after a fan-out count as one job; near the limit more.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.simulation.engine.inputs import NetworkDelays
from bench.transports.queueing import random_wait_s


@dataclass(frozen=True, slots=True)
class MessageWay:
    """The parts of a way that do not depend on waiting, in seconds."""

    net: NetworkDelays
    send_s: float
    """From a message's due instant until the load client sends it."""
    message_s: float
    """The server's work on a message."""
    counted: float
    """The share of that work that is counted with the tick's: where readers wait for the tick, that of the messages
    that came to their own server."""

    def least_s(self) -> float:
        """Return the seconds of a message that waits for nothing."""
        return self.waited_s(0.0, 0.0)

    def waited_s(self, wait_s: float, each_per_s: float) -> float:
        """Return the mean seconds of a message that waits for `wait_s` at the server; each author posts `each_per_s`
        messages per second, or sends them without waiting for its own (0)."""
        way_s = self.net.up_s + self.net.hop_s + wait_s
        under_way_s = way_s + self.message_s + self.net.down_s
        own_s = random_wait_s(each_per_s * under_way_s, each_per_s * under_way_s**2)
        return self.send_s + own_s + way_s + self.message_s * (1 - self.counted)
