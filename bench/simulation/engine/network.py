"""The network between a worker and its clients: delays, slow links, and the load client as a queue.

    worker done ──► link (slow clients) ──down──► kernel ──wake──► load client ─► seen … done ──► asks again

A link is a queue of bytes: a response has left it when all bytes before it and its own bytes have. If a push
finds more bytes in a client's socket than the bound, the client falls behind. Once the socket has drained, it
continues from the tape (the ticks a server still holds), like a poll that comes at that instant.

The load client is one queue for all clients of the worker. It keeps their order, since
without jitter responses arrive in the order in which they were given.

Known weaknesses: the load client reads one response at a time, though a real load client that is behind finds several
messages in one read. A link delays the way down, never a request.
"""

from __future__ import annotations

import numpy as np

from bench.simulation.engine.inputs import Bools, Floats, Ints, Shard
from bench.simulation.engine.random_streams import Stream, uniform
from bench.simulation.engine.server_queue import ServerQueue


class Network:
    """The connections between a worker and its clients."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._load_client_queue = ServerQueue(shard.t0_s, shard.t1_s) if shard.load_client is not None else None
        count = len(shard.clients)
        self.slow: Bools | None = None
        """Mask of the clients with a slow link, shape (clients,); None if there are none."""
        if shard.slow_links is not None:
            self.slow = uniform(shard.seed, Stream.LINK, shard.clients) < shard.slow_links.share
            self._link_free_s = np.full(count, -np.inf)
        self._kernel_s = np.full(count, -np.inf) if shard.cycle.pushes and shard.net.jitter_s else None
        round_trip_s = shard.net.up_s + shard.net.down_s
        opens = shard.cycle.new_connection or shard.cycle.pushes
        self.opening_s = shard.cycle.handshakes * round_trip_s if opens else 0.0
        """Seconds from a client's wish to ask until its request leaves: the handshakes."""
        self.lookahead_s = self.opening_s + round_trip_s
        """Least seconds from a response until the client's next request arrives."""
        links = shard.slow_links
        self.drains_s = (links.bound_bytes - links.resume_bytes) / links.bytes_per_s if links else 0.0
        """Least seconds from a push that fills a socket until the socket has drained."""

    def up(self, who: Ints, cycle: Ints, leave_s: Floats) -> Floats:
        """Return the arrivals of requests that leave at `leave_s`; `cycle` numbers each client's requests."""
        at = leave_s + self._shard.net.up_s
        return at + self._jitter(Stream.UP, who, cycle) if self._shard.net.jitter_s else at

    def down(self, who: Ints, cycle: Ints, finish_s: Floats, size: Ints) -> Floats:
        """Return when the clients' kernels have responses that the worker finished at `finish_s`.

        `size` is the payload in bytes of each response; `cycle` numbers each client's draws.
        """
        sent = finish_s if self.slow is None else self._send(who, finish_s, size)
        kernel: Floats = sent + self._shard.net.down_s
        if self._shard.net.jitter_s:
            kernel += self._jitter(Stream.DOWN, who, cycle)
        if self._kernel_s is not None:
            kernel = np.maximum(kernel, self._kernel_s[who])
            self._kernel_s[who] = kernel
        return kernel

    def send(self, who: Ints, message: Ints, leave_s: Floats) -> Floats:
        """Return the arrivals at the worker of messages that clients `who` send at `leave_s`."""
        at = leave_s + self._shard.net.up_s
        return at + self._jitter_of(Stream.SEND, who, message) if self._shard.net.jitter_s else at

    def reply(self, who: Ints, message: Ints, leave_s: float) -> Floats:
        """Return when the clients' kernels have the answers to their messages, which leave at `leave_s`."""
        kernel = np.full(len(who), leave_s + self._shard.net.down_s)
        return kernel + self._jitter_of(Stream.REPLY, who, message) if self._shard.net.jitter_s else kernel

    def read(self, kernel_s: Floats, updates: Ints) -> tuple[Floats, Floats]:
        """Return when clients see responses, and when they are done with them."""
        load_client = self._shard.load_client
        if load_client is None or self._load_client_queue is None:
            return kernel_s, kernel_s
        service = np.asarray(load_client.answer_s + load_client.update_s * updates, dtype=np.float64)
        done = self._load_client_queue.serve(kernel_s + load_client.wake_s, service)
        return done - service, done

    def full(self, who: Ints, finish_s: Floats) -> tuple[Bools, Floats]:
        """Return a mask of the sockets above their bound after a push, and when each will have drained."""
        links = self._shard.slow_links
        if links is None:
            return np.broadcast_to(np.False_, len(who)), finish_s
        free_s = self._link_free_s[who]
        full = (free_s - finish_s) * links.bytes_per_s > links.bound_bytes
        return full, np.maximum(free_s - links.resume_bytes / links.bytes_per_s, finish_s)

    def cut(self, who: Ints) -> None:
        """Close connections: bytes in their sockets are discarded, and new connections start empty."""
        if self.slow is not None:
            self._link_free_s[who] = -np.inf
        if self._kernel_s is not None:
            self._kernel_s[who] = -np.inf

    def _send(self, who: Ints, finish_s: Floats, size: Ints) -> Floats:
        """Return when responses have left the clients' links."""
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
        return self._jitter_of(stream, who, cycle[who])

    def _jitter_of(self, stream: Stream, who: Ints, number: Ints) -> Floats:
        net = self._shard.net
        draw = uniform(self._shard.seed, stream, self._shard.clients[who], number)
        return draw * net.jitter_s if net.jitter == "uniform" else -np.log1p(-draw) * net.jitter_s
