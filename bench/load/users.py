"""Locust's users: one class per transport, one user per client.

Locust decides on a user's life: it is spawned at the spawn rate, waits, and is stopped. Its socket and its
bytes belong to the reactor (see `bench.load.reactor`), so a user runs no task of its own, and thousands of
them cost nothing while updates arrive.
"""

from __future__ import annotations

from typing import ClassVar

from gevent.event import Event
from locust import User, task

from bench import transports
from bench.load.session import Session


class TransportUser(User):
    """A client that is connected from its start to its stop."""

    abstract = True
    session: ClassVar[Session]
    """The process's session; set before the first user is spawned."""

    def on_start(self) -> None:
        """Connect and subscribe."""
        self.link = self.session.begin_client()

    @task
    def receive(self) -> None:
        """Wait until Locust stops the user."""
        Event().wait()

    def on_stop(self) -> None:
        """Close gracefully."""
        self.session.end_client(self.link)


def user_class(transport: str) -> type[TransportUser]:
    """Return the user class of a transport: `ShortPollingUser` for `short_polling`."""
    assert transport in transports.names(), f"{transport!r} is not one of {transports.names()}"
    name = "".join(word.capitalize() for word in transport.split("_")) + "User"
    text = f"A client that speaks {transport.replace('_', ' ')}."
    return type(name, (TransportUser,), {"abstract": False, "__doc__": text, "__module__": __name__})
