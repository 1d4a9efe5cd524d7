"""From the worker's hands to the client's eyes, and a request's way back.

    worker done ──► link (slow clients) ──down──► kernel ──wake──► station ──► seen … done ──► asks again

A link is a queue of bytes: an answer is out when what was before it is, and its own bytes are. A push that
finds more than the bound in a client's socket leaves the client behind: it goes on from the tape once the
socket has drained, like a poll that comes at that instant.

The station is the load client: one queue for all clients of the worker. It keeps their order, since
without jitter answers arrive in the order in which they were given.

Known weaknesses: a station reads one answer at a time, though a real one finds several messages in one read
when it is behind. A link delays what comes down, never a request.
"""

from __future__ import annotations

import numpy as np

from bench.simulation.engine.inputs import Bools, Floats, Ints, Shard
from bench.simulation.engine.random_streams import Stream, even
from bench.simulation.engine.server_queue import Worker


class Network:
    """All ways between a worker and its clients."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._station = Worker(shard.t0_s, shard.t1_s) if shard.station is not None else None
        count = len(shard.clients)
        self.slow: Bools | None = None
        """Whose link is slow; None: nobody's."""
        if shard.slow_links is not None:
            self.slow = even(shard.seed, Stream.LINK, shard.clients) < shard.slow_links.share
            self._link_free_s = np.full(count, -np.inf)
        self._kernel_s = np.full(count, -np.inf) if shard.cycle.pushes and shard.net.jitter_s else None
        round_trip_s = shard.net.up_s + shard.net.down_s
        opens = shard.cycle.new_connection or shard.cycle.pushes
        self.opening_s = shard.cycle.handshakes * round_trip_s if opens else 0.0
        """From a client's wish to ask until its request leaves: the handshakes."""
        self.lookahead_s = self.opening_s + round_trip_s
        """From an answer until the client's next request comes, at least."""
        links = shard.slow_links
        self.drains_s = (links.bound_bytes - links.resume_bytes) / links.bytes_per_s if links else 0.0
        """From a push that fills a socket until the socket has drained, at least."""

    def up(self, who: Ints, cycle: Ints, leave_s: Floats) -> Floats:
        """When requests come that leave then; `cycle` counts each client's."""
        at = leave_s + self._shard.net.up_s
        return at + self._jitter(Stream.UP, who, cycle) if self._shard.net.jitter_s else at

    def down(self, who: Ints, cycle: Ints, finish_s: Floats, size: Ints) -> Floats:
        """When the kernels have answers of so many bytes of payload that the worker was done with."""
        sent = finish_s if self.slow is None else self._send(who, finish_s, size)
        kernel: Floats = sent + self._shard.net.down_s
        if self._shard.net.jitter_s:
            kernel += self._jitter(Stream.DOWN, who, cycle)
        if self._kernel_s is not None:
            kernel = np.maximum(kernel, self._kernel_s[who])
            self._kernel_s[who] = kernel
        return kernel

    def read(self, kernel_s: Floats, updates: Ints) -> tuple[Floats, Floats]:
        """When clients see answers, and when they are done with them."""
        station = self._shard.station
        if station is None or self._station is None:
            return kernel_s, kernel_s
        service = np.asarray(station.answer_s + station.update_s * updates, dtype=np.float64)
        done = self._station.serve(kernel_s + station.wake_s, service)
        return done - service, done

    def full(self, who: Ints, finish_s: Floats) -> tuple[Bools, Floats]:
        """Whose socket holds more than its bound after a push, and when each will have drained."""
        links = self._shard.slow_links
        if links is None:
            return np.broadcast_to(np.False_, len(who)), finish_s
        free_s = self._link_free_s[who]
        full = (free_s - finish_s) * links.bytes_per_s > links.bound_bytes
        return full, np.maximum(free_s - links.resume_bytes / links.bytes_per_s, finish_s)

    def cut(self, who: Ints) -> None:
        """Connections were closed: what their sockets held is gone, and new ones owe no order to it."""
        if self.slow is not None:
            self._link_free_s[who] = -np.inf
        if self._kernel_s is not None:
            self._kernel_s[who] = -np.inf

    def _send(self, who: Ints, finish_s: Floats, size: Ints) -> Floats:
        """When answers have left the clients' links."""
        links = self._shard.slow_links
        assert links is not None
        assert self.slow is not None
        place = np.flatnonzero(self.slow[who])
        if not len(place):
            return finish_s
        slow = who[place]
        own = size[place] + links.overhead_bytes
        sent = finish_s.copy()
        sent[place] = np.maximum(finish_s[place], self._link_free_s[slow]) + own / links.bytes_per_s
        self._link_free_s[slow] = sent[place]
        return sent

    def _jitter(self, stream: Stream, who: Ints, cycle: Ints) -> Floats:
        net = self._shard.net
        draw = even(self._shard.seed, stream, self._shard.clients[who], cycle[who])
        return draw * net.jitter_s if net.jitter == "uniform" else -np.log1p(-draw) * net.jitter_s
