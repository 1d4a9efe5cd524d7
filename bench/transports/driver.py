"""The driver of client machines over real sockets: it opens, reads, stamps, sends, keeps time, closes gracefully.

    turn(wait) ─► at most 64 ready sockets, one recvmsg each ─► machine.receive ─┐
    run_timers ─► deadlines that have come ─────────────────► machine.timer ─────┤
                                                                                 ▼
                                 send the outbox · open or close · arm the deadline

Sending and opening are put off to the end of a turn or of the timers. So no arrival waits for another
client's request, and the server is woken once for all of them, which is a large part of the cost of
sending and connecting. A machine's first bytes on a new connection are sent at once, so that they are there when the
server accepts the connection.

All sockets of a driver are watched by one epoll. Everything happens inside `turn` and `run_timers`, which
never block for longer than asked. `run` calls them in a loop: this is the driver of tests and scripts.
The load generator's reactor calls the same two functions under Locust.

A connection is closed gracefully, since only then are its counters complete (`measure.tcp`): send the rest
of the outbox, shut down, read to the end of file, wait until the kernel reports the connection as closed,
and read the counters then. After `CLOSE_LIMIT_NS` it is closed in whatever state it is.

The limit of 64 sockets per turn keeps timers on time under load: with it, they are half a millisecond late
at 300,000 updates per second; without it, half a second.

Known weakness: epoll exists on Linux only, and so does this driver.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import select
import socket
from _socket import socket as RawSocket
from collections.abc import Callable, Sequence
from time import monotonic_ns

from bench.clock import NO_STAMP, OFFSET_INTERVAL_NS, OffsetTrack, RunClock
from bench.measure import tcp
from bench.transports import NEVER, Action, ClientMachine
from bench.transports.link import Link, State, reason_of
from bench.transports.tls import TlsMachine

READ_SIZE = 65_536
SOCKETS_A_TURN = 64
OPEN_LIMIT_NS = 10_000_000_000
"""A connection that is not established after this time, in ns, is given up: `timeout`."""
CLOSE_LIMIT_NS = 1_000_000_000
"""The time, in ns, that the server has to close its side, before the connection is closed in whatever state it is."""
LOOK_EVERY_NS = 100_000_000
"""The time between two checks for connections whose limit has passed, in ns.

One timer for all connections costs less than one for each.
"""

# Module-level names: looking up an enum's member takes longer than most of the work that is done with it.
_NONE, _ASK_OPEN = Action.NONE, Action.OPEN
_NO_SOCKET, _OPENING, _OPEN = State.NONE, State.OPENING, State.OPEN
_LEAVING, _SHUT = State.LEAVING, State.SHUT
_ANCILLARY_SPACE, _stamp_ns, _timespec = tcp.ANCILLARY_SPACE, tcp.stamp_ns, tcp.timespec
# As in select.epoll, whose names gevent's patching takes away.
_IN, _OUT, _ERR, _HUP, _RDHUP = 0x1, 0x4, 0x8, 0x10, 0x2000
_STREAM = int(socket.SOCK_STREAM) | int(socket.SOCK_NONBLOCK)
_READ, _ENDED = _IN | _RDHUP, _RDHUP | _ERR | _HUP


class Driver:
    """Client machines, their sockets and their timers.

    `epoll` is an argument so that the caller can pass one that gevent's patching has not replaced.
    """

    def __init__(self, host: str, port: int, clock: RunClock, epoll: select.epoll) -> None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self._family = int(found[0])
        self._address = found[4]
        self.clock = clock
        self._origin_ns = clock.origin_ns
        self.offsets = OffsetTrack(clock)
        self.epoll = epoll
        self.links: list[Link] = []
        self._by_fd: dict[int, Link] = {}
        self._to_open: list[Link] = []   # links whose machine asked for a connection in this turn
        self._to_send: list[Link] = []
        """Links whose outbox may hold bytes to send."""
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._stamped = tcp.hold_stamped_socket()
        self._read_offset()
        self._give_up_late()

    # Called by the owner

    def add(self, machine: ClientMachine) -> Link:
        """Start a machine, and return its link."""
        link = Link(machine)
        self.links.append(link)
        machine.start(self.clock.now_ns())
        self._follow(link)
        self._finish()
        return link

    def stop(self, link: Link, on_finished: Callable[[], None] | None = None) -> None:
        """Stop a machine gracefully; `on_finished` is called when its connection is over."""
        link.on_finished = on_finished or _nothing
        link.machine.stop(self.clock.now_ns())
        self._follow(link)
        self._finish()
        if link.sock is not None:
            link.limit_ns = self.clock.now_ns() + CLOSE_LIMIT_NS

    def wake(self, link: Link) -> None:
        """Call a machine's `timer` before its deadline, since its work was changed from outside."""
        link.machine.timer(self.clock.now_ns())
        self._follow(link)
        self._finish()

    def call_at(self, at_ns: int, function: Callable[[], None]) -> None:
        """Have `run_timers` call the function once the instant `at_ns` (run clock) has come."""
        heapq.heappush(self._timers, (at_ns, next(self._numbers), function))

    def turn(self, wait_s: float = 0.0) -> None:
        """Serve the sockets that are ready, at most `SOCKETS_A_TURN`; wait up to `wait_s` seconds for the
        first.

        A read is handled here as in `_read`, but without a call in between: nearly every update takes this path.
        """
        by_fd, origin_ns, zero_ns = self._by_fd, self._origin_ns, self._realtime_zero_ns
        for fd, ready in self.epoll.poll(wait_s, SOCKETS_A_TURN):
            link = by_fd.get(fd)
            if link is None:
                continue
            sock = link.sock
            if ready != _IN or sock is None:
                self._serve(link, ready)
                continue
            try:
                data, ancillary, _, _ = sock.recvmsg(READ_SIZE, _ANCILLARY_SPACE)
            except OSError as error:
                self._unread(link, error)
                continue
            app_ns = monotonic_ns() - origin_ns
            if not data or len(ancillary) != 1:
                self._received(link, data, NO_STAMP, app_ns)
                continue
            seconds, nanoseconds = _timespec(ancillary[0][2])
            if not link.machine.receive(data, seconds * 1_000_000_000 + nanoseconds + zero_ns, app_ns):
                self._look(link)
        self._finish()

    def run_timers(self) -> None:
        """Call the functions that were due when this call began; functions that become due later wait."""
        now_ns = self.clock.now_ns()
        timers = self._timers
        while timers and timers[0][0] <= now_ns:
            heapq.heappop(timers)[2]()
        self._finish()

    @property
    def next_ns(self) -> int:
        """Return the instant at which `run_timers` next has something to do, or `NEVER`."""
        return self._timers[0][0] if self._timers else NEVER

    def close(self) -> None:
        """Close all sockets and the epoll, without waiting for an orderly close."""
        for link in self._by_fd.values():
            if link.sock is not None:
                link.sock.close()
        self._stamped.close()
        self.epoll.close()

    # Reading and sending

    def _serve(self, link: Link, ready: int) -> None:
        """Serve a socket of which epoll reports more than bytes to read, or something else."""
        if link.state is _OPENING:
            self._connected(link)
        elif ready & _OUT:
            self._send(link)
        if ready & ~_OUT and link.sock is not None:
            self._read(link, link.sock, ready & _ENDED == _RDHUP)

    def _read(self, link: Link, sock: RawSocket, has_ended: bool) -> None:
        """Read the bytes that are there. `has_ended`: the server has closed its side, so no more will
        come."""
        try:
            data, ancillary, _, _ = sock.recvmsg(READ_SIZE, _ANCILLARY_SPACE)
        except OSError as error:
            self._unread(link, error)
            return
        app_ns = monotonic_ns() - self._origin_ns
        if data and has_ended and len(data) < READ_SIZE:
            link.end_of_file = True   # a read that is not full took everything, including the end of file
        kernel_ns = _stamp_ns(ancillary)
        self._received(link, data, kernel_ns if kernel_ns == NO_STAMP else kernel_ns + self._realtime_zero_ns, app_ns)
        if data and has_ended and link.end_of_file and link.sock is sock:
            self._end_of_file(link)

    def _received(self, link: Link, data: bytes, kernel_ns: int, app_ns: int) -> None:
        """Hand the bytes of a read to the machine; none are the end of file."""
        if not data:
            self._end_of_file(link)
        elif not link.machine.receive(data, kernel_ns, app_ns):
            self._look(link)

    def _unread(self, link: Link, error: OSError) -> None:
        """Handle a read that failed."""
        if not isinstance(error, BlockingIOError):
            self._over(link, link.reason or reason_of(error.errno or 0))

    def _look(self, link: Link) -> None:
        """Carry out what a machine asks for after a read, if anything."""
        machine = link.machine
        if machine.action is not _NONE or machine.deadline_ns < link.armed_ns:
            self._follow(link)
        elif machine.outbox:
            self._to_send.append(link)

    def _follow(self, link: Link) -> None:
        """Carry out the requests that a machine made in its last call."""
        machine = link.machine
        if machine.outbox:
            self._to_send.append(link)
        action = machine.action
        if action is not _NONE:
            machine.action = _NONE
            if action is _ASK_OPEN:
                assert link.state is _NO_SOCKET, "a machine opens one connection at a time"
                link.state = _OPENING
                self._to_open.append(link)
            else:
                self._close(link)
        if machine.deadline_ns < link.armed_ns:
            link.armed_ns = machine.deadline_ns
            self.call_at(link.armed_ns, lambda: self._deadline(link))

    def _deadline(self, link: Link) -> None:
        link.armed_ns = NEVER
        now_ns = self.clock.now_ns()
        if link.machine.deadline_ns <= now_ns:
            link.machine.timer(now_ns)
        self._follow(link)

    def _finish(self) -> None:
        """Open and send what was put off to the end of the turn."""
        for link in self._to_open:
            if link.state is _OPENING and link.sock is None:   # else it was stopped since
                self._open(link)
        self._to_open.clear()
        for link in self._to_send:
            sock, outbox = link.sock, link.machine.outbox
            if sock is None or link.state is not _OPEN or link.watched != _READ or not outbox:
                continue   # not open yet, or already sent, or waiting until the kernel takes more
            try:
                sent = sock.send(outbox)
            except OSError:
                sent = 0
            if sent == len(outbox):
                outbox.clear()
            else:
                del outbox[:sent]
                self._send(link)   # meets the same error, or waits until the kernel takes more
        self._to_send.clear()

    def _send(self, link: Link) -> None:
        """Send as much of the outbox as the kernel takes, and the rest when it takes more."""
        outbox, sock = link.machine.outbox, link.sock
        if sock is None:
            return
        if outbox:
            try:
                sent = sock.send(outbox)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._over(link, link.reason or reason_of(error.errno or 0))
                return
            if sent == len(outbox):
                outbox.clear()
            else:
                del outbox[:sent]
        events = _READ | _OUT if outbox else _READ
        if link.watched != events and link.state is not _SHUT:
            self._watch(link, events)
        if link.state is _LEAVING and not outbox:
            self._shut(link)

    def _watch(self, link: Link, events: int) -> None:
        if link.watched != events:
            self.epoll.modify(link.fd, events)
            link.watched = events

    # Opening and closing

    def _open(self, link: Link) -> None:
        try:
            sock = RawSocket(self._family, _STREAM)
        except OSError as error:
            link.state = _NO_SOCKET
            self._report_closed(link, reason_of(error.errno or 0))
            return
        tcp.prepare(sock)
        link.sock, link.fd = sock, sock.fileno()
        link.end_of_file, link.reason = False, ""
        self._by_fd[link.fd] = link
        number = sock.connect_ex(self._address)
        if number not in (0, errno.EINPROGRESS):
            self._over(link, reason_of(number))
            return
        # Over loopback the connection is established by now: then there is nothing to wait for.
        info = tcp.read_info(sock)
        is_up = tcp.is_up(info)
        link.watched = _READ if is_up else _OUT
        self.epoll.register(link.fd, link.watched)
        if is_up:
            self._opened(link, info)
        else:
            link.limit_ns = self.clock.now_ns() + OPEN_LIMIT_NS

    def _connected(self, link: Link) -> None:
        """Handle the end of the kernel's attempt to connect, successful or not."""
        assert link.sock is not None
        number = link.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._over(link, reason_of(number))
            return
        self._watch(link, _READ)
        self._opened(link, tcp.read_info(link.sock))

    def _opened(self, link: Link, info: bytes | None) -> None:
        link.state, link.limit_ns = _OPEN, NEVER
        if isinstance(link.machine, TlsMachine):
            link.machine.on_established = link.note_opening
        else:
            link.note_opening(info)
        link.machine.opened(self.clock.now_ns())
        if link.machine.outbox:
            self._send(link)
        self._follow(link)

    def _close(self, link: Link) -> None:
        """Close gracefully, beginning with our side."""
        if link.sock is None:
            link.state = _NO_SOCKET
            self._report_closed(link, "closed")
        elif link.state is _OPENING:
            self._over(link, "closed")
        elif link.state is _OPEN:
            link.state, link.reason = _LEAVING, "closed"
            link.limit_ns = self.clock.now_ns() + CLOSE_LIMIT_NS
            (self._send if link.machine.outbox else self._shut)(link)

    def _end_of_file(self, link: Link) -> None:
        link.end_of_file = True
        link.note_leaving()
        link.reason = link.reason or "eof"
        if link.state is not _SHUT:
            self._shut(link)
        else:
            self._over_if_closed(link)

    def _shut(self, link: Link) -> None:
        assert link.sock is not None
        link.note_leaving()
        link.state = _SHUT
        try:   # noqa: SIM105 - `suppress` is slower, and each poll with a new connection comes here
            link.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass   # not connected any more: then the next read says so
        if link.end_of_file:
            self._over_if_closed(link)

    def _over_if_closed(self, link: Link) -> None:
        """End the connection if the kernel reports it as closed, now that both sides have closed.

        The last acknowledgement may still be under way; then wait for the kernel's HUP event.
        """
        assert link.sock is not None
        if link.note_closing():
            self._over(link, link.reason)
        elif link.watched:
            self._watch(link, 0)
            link.limit_ns = self.clock.now_ns() + CLOSE_LIMIT_NS

    def _give_up_late(self) -> None:
        """End the connections whose time limit for opening, or for closing gracefully, has passed."""
        now_ns = self.clock.now_ns()
        for link in [link for link in self._by_fd.values() if link.limit_ns <= now_ns]:
            self._over(link, "timeout" if link.state is _OPENING else link.reason or "closed")
        self.call_at(now_ns + LOOK_EVERY_NS, self._give_up_late)

    def _over(self, link: Link, reason: str) -> None:
        """End the connection: keep its counters, release the socket and inform the machine."""
        sock = link.sock
        assert sock is not None
        link.note_over()
        del self._by_fd[link.fd]
        sock.close()   # takes it off the epoll, too
        link.sock, link.state = None, _NO_SOCKET
        self._report_closed(link, reason)

    def _report_closed(self, link: Link, reason: str) -> None:
        link.machine.closed(self.clock.now_ns(), reason)
        link.machine.outbox.clear()
        if link.on_finished is not None:
            link.on_finished()
        else:
            self._follow(link)

    def _read_offset(self) -> None:
        self.offsets.read()
        self._realtime_zero_ns = self.offsets.to_run_clock(0)
        self.call_at(self.clock.now_ns() + OFFSET_INTERVAL_NS, self._read_offset)


def _nothing() -> None:
    """Do nothing: the default where no caller waits for the end."""


def run(
    machines: Sequence[ClientMachine], host: str, port: int, until: Callable[[], bool], clock: RunClock
) -> list[Link]:
    """Drive the machines until `until()` is true (it is asked before each turn), then stop them gracefully.

    Blocks. Returns the links, with the counters of their connections.
    """
    driver = Driver(host, port, clock, select.epoll())
    try:
        for machine in machines:
            driver.add(machine)
        _turn_until(driver, until)
        for link in driver.links:
            driver.stop(link)
        _turn_until(driver, lambda: all(link.sock is None for link in driver.links))
        return driver.links
    finally:
        driver.close()


def _turn_until(driver: Driver, until: Callable[[], bool]) -> None:
    while not until():
        wait_ns = driver.next_ns - driver.clock.now_ns()
        driver.turn(min(max(wait_ns, 0) / 1e9, 0.05))
        driver.run_timers()
