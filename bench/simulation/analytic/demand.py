"""The demand of clients on a feed, and what they send to it; per second, of one client or of one server.

    one client   λ updates, μ messages          a server   Λ ticks, M messages of its own clients
    own share = M / Λ                           M = N μ where the messages grow with its N clients, at most Λ

Where ticks are messages of clients, and all of them come to one server, M = Λ. With several servers each has the ticks
of all, and the messages of its own clients alone.

Known weakness: clients are alike, and so are symbols.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.wire.contract import Mode


@dataclass(frozen=True, slots=True)
class Demand:
    """The demand of the clients on the feed."""

    rate_per_s: float
    """Updates per second of one client's subscription."""
    symbols: int = 1
    """Symbols of one client's subscription, all with the same rate."""
    payload_bytes: float = 100.0
    """Bytes of an update in the feed's encoding."""
    feed_per_s: float | None = None
    """Ticks per second of the whole feed; None: clients subscribe to all of it."""
    regular: bool = False
    """True: ticks are at regular distances. False: they are a Poisson process."""
    mode: Mode = "every"
    messages_per_s: float = 0.0
    """Messages of its clients per second that a server takes; 0 where they only listen."""
    message_bytes: float = 0.0
    """Bytes of a message, as its author encodes it."""
    client_messages_per_s: float = 0.0
    """Messages per second of one client, where a server takes the more the more clients it has: `messages_per_s` is
    then set by their number."""

    @property
    def ticks_per_s(self) -> float:
        """Ticks per second that a server receives."""
        return self.rate_per_s if self.feed_per_s is None else self.feed_per_s

    @property
    def own_share(self) -> float:
        """Share of the ticks that are messages of the server's own clients."""
        return self.messages_per_s / self.ticks_per_s if self.messages_per_s else 0.0

    def sent_by(self, clients: float) -> Demand:
        """Return the demand with the messages of `clients` clients."""
        if not self.client_messages_per_s:
            return self
        return replace(self, messages_per_s=min(self.client_messages_per_s * clients, self.ticks_per_s))
