"""The alarm: never early, once for each arming, the latest arming counts."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

import pytest
import uvloop

from bench.feed.timer import Alarm

MS = 1_000_000


async def rings(*arm: Callable[[int], int]) -> list[tuple[int, int]]:
    """Arm one after the other from one instant; (set for, rang at) of each ring until the last one's."""
    rung: list[int] = []
    enough = asyncio.Event()

    def ring() -> None:
        rung.append(time.monotonic_ns())
        enough.set()

    alarm = Alarm(asyncio.get_running_loop(), ring)
    begun_ns = time.monotonic_ns()
    instants = [when(begun_ns) for when in arm]
    for at_ns in instants:
        alarm.arm(at_ns)
    await asyncio.wait_for(enough.wait(), 10)
    await asyncio.sleep(0.03)  # time for a second ring, which there must not be
    alarm.close()
    return [(instants[-1], at_ns) for at_ns in rung]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("platform", [sys.platform, "elsewhere"])
def test_it_rings_once_and_never_early(
    run: Callable[..., list[tuple[int, int]]], platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    grain_ns = 0 if platform == "linux" else 2 * MS  # a loop's timers may be early by their grain
    for arm in (
        [lambda now: now + 5 * MS],
        [lambda now: now - 5 * MS],
        [lambda now: 0],
        [lambda now: now + 5 * MS, lambda now: now + 10 * MS],
        [lambda now: now + 10_000 * MS, lambda now: now + 5 * MS],
    ):
        rung = run(rings(*arm))
        assert len(rung) == 1
        at_ns, rang_ns = rung[0]
        assert rang_ns >= at_ns - grain_ns


def test_a_closed_alarm_does_not_ring() -> None:
    async def closed() -> bool:
        rung: list[bool] = []
        alarm = Alarm(asyncio.get_running_loop(), lambda: rung.append(True))
        alarm.arm(time.monotonic_ns() + 5 * MS)
        alarm.close()
        await asyncio.sleep(0.03)
        return not rung

    assert uvloop.run(closed())
