"""Ports of this machine that are free together."""

from __future__ import annotations

from bench.measure import host


def first_port() -> int:
    """Return a free port that is followed by free ones."""
    while True:
        port = min(host.free_port(), 65_000)
        if all(host.port_is_free(port + number) for number in (*range(5), 50, *range(100, 105))):
            return port
