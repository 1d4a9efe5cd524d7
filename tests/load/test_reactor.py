from __future__ import annotations

import gevent

from bench.load.reactor import spawn


def test_a_bug_in_a_greenlet_is_reported_with_its_trace() -> None:
    reported: list[str] = []

    def buggy() -> None:
        raise ZeroDivisionError("a bug")

    spawn(buggy, reported.append)
    gevent.sleep(0)
    assert "ZeroDivisionError: a bug" in reported[0]
