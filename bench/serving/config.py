"""The configuration of a server process, and the limits that it enforces.

The configuration is a JSON file whose path is the process's first argument:

    {"transport": "long_polling", "options": {"hold_s": 30.0}, "server": {…the scenario's [server]…},
     "feed": {"host": "127.0.0.1", "port": 40001}, "host": "127.0.0.1", "port": 0, "origins": [], "hosts": []}

All fields but `transport` and `feed` have defaults. The limits are the same for every transport; they are
fields so that a test can wait for one of them without waiting long.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from bench.errors import ScenarioError
from bench.scenario.fields import Positive, Table
from bench.scenario.model import DEFAULT_SERVER, Server
from bench.scenario.parsing import validated

Port = Annotated[int, Field(ge=0, le=65535)]

TARGET_BYTES = 8000
"""The longest request target, in bytes. Less than `HEAD_LINE_BYTES`, so that each has its own refusal."""
HEAD_LINE_BYTES = 8190
"""The longest header line, in bytes."""
HEAD_LINES = 128
"""The largest number of header lines in a request."""
MESSAGE_BYTES = 4096
"""The largest message that a server reads from a WebSocket client, in bytes."""


class Address(Table):
    """A TCP address."""

    host: str = "127.0.0.1"
    port: Port


class Limits(Table):
    """The times that a server waits for a client, in seconds."""

    head_s: Positive = 10.0
    """From opening the connection, or from a request's first byte, to the end of the request's head."""
    idle_s: Positive = 75.0
    """From one response to the end of the next request's head, on a persistent connection."""
    stall_s: Positive = 60.0
    """The longest time for which sent bytes may stay unacknowledged, or the client's window closed
    (`TCP_USER_TIMEOUT`)."""
    close_s: Positive = 2.0
    """For an orderly end: a closing handshake, or the responses under way when the server stops."""


class ServerConfig(Table):
    """The configuration of one server process."""

    transport: str
    implementation: str = DEFAULT_SERVER
    """The name of the server implementation, a file in the transport's `servers/`."""
    options: Mapping[str, Any] = Field(default_factory=dict)
    server: Server = Server()
    feed: Address
    host: str = "127.0.0.1"
    """The address at which to listen. An address other than loopback has to be asked for."""
    port: Port = 0
    """The port at which to listen; 0: any free port, which `ready` then names."""
    origins: frozenset[str] = frozenset()
    """Browser origins that may connect, such as `https://example.org`; none by default."""
    hosts: frozenset[str] = frozenset()
    """Names that the server answers for in addition to loopback's and its address, such as
    `ticker.example`."""
    takes_messages: bool = False
    """If true, the server takes messages from its clients and forwards them to the feed; the feed must take them."""
    limits: Limits = Limits()


def load(path: Path) -> ServerConfig:
    """Read and return a configuration.

    Raises `ScenarioError`, which names the file and the field, if there is a mistake in it.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScenarioError(str(path), "the file", f"{error}", "a JSON object") from error
    return validated(ServerConfig, table, str(path))
