"""An alarm at an absolute instant of `CLOCK_MONOTONIC`, for an asyncio loop.

A loop's own timers have a resolution of milliseconds. On Linux the alarm is a `timerfd`, an absolute
instant in ns that the loop watches like a socket. It wakes some 50 to 100 µs late, so a caller that
needs better arms it early and spins for the rest. Elsewhere the loop's timer is used, and the spin is
longer than planned or the caller late: this shows in its recorded lateness.

Known weakness: Python 3.11 and 3.12 have no `os.timerfd_*`, so libc is called directly there.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable

TFD_TIMER_ABSTIME = 1
TFD_NONBLOCK, TFD_CLOEXEC = os.O_NONBLOCK, getattr(os, "O_CLOEXEC", 0)
NS = 1_000_000_000


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


class Alarm:
    """Calls `callback` once for each `arm`, in the loop's own thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None
        self._fd: int | None = None
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.timerfd_create(time.CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
            if self._fd < 0:
                raise OSError(ctypes.get_errno(), "timerfd_create")
            loop.add_reader(self._fd, self._expired)

    def arm(self, at_ns: int) -> None:
        """Call the callback at `at_ns` on `CLOCK_MONOTONIC`, at once if that is past; replaces an earlier
        call.

        Raises `OSError` if the kernel refuses the timer.
        """
        if self._fd is None:
            if self._handle is not None:
                self._handle.cancel()
            in_s = (at_ns - time.monotonic_ns()) / NS
            self._handle = self._loop.call_later(max(0.0, in_s), self._callback)
            return
        seconds, ns = divmod(max(at_ns, 1), NS)  # an instant of zero would disarm
        setting = _Itimerspec(_Timespec(0, 0), _Timespec(seconds, ns))
        if self._libc.timerfd_settime(self._fd, TFD_TIMER_ABSTIME, ctypes.byref(setting), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        """Disarm, and close the descriptor."""
        if self._handle is not None:
            self._handle.cancel()
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None

    def _expired(self) -> None:
        assert self._fd is not None
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # armed anew between the loop's check and this call
        self._callback()
