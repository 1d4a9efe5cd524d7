"""TLS as a machine around a machine: the driver moves sealed bytes, the machine inside sees plain ones.

    driver ── sealed bytes, kernel stamp ──► receive ─► [in] TLS ─► plain bytes ─► machine.receive
    driver ◄── outbox ◄──────────────────────────────── [out] TLS ◄─ machine.outbox

Python's own TLS sockets do their own reading and lose the kernel's arrival stamps. So the records go
through two memory buffers over the stamped socket. `opened` of the machine inside is called when the
handshake is done. When either side is about to leave, `close_notify` is exchanged before the connection is
closed gracefully. Nothing is sealed after that: bytes that the machine produces then were never sent, and
`closed` takes them off its counts.

Every connection makes a full handshake. If a certificate is given, it is the only one trusted; without
one, none is checked.

Known weakness: the application's instant is taken before a record is decrypted, as it is before JSON is
parsed. Browsers resume sessions, which saves them the certificate from the second connection on.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable

from bench.transports import NEVER, Action, ClientMachine

READ_SIZE = 65_536


def _nobody() -> None:
    """Do nothing: the default where no caller waits for the handshake."""


class TlsMachine:
    """A client machine whose connection is encrypted (see `ClientMachine`)."""

    def __init__(self, machine: ClientMachine, context: ssl.SSLContext, host: str) -> None:
        self.machine = machine
        self.counts = machine.counts
        """The counters of the machine inside: application bytes, as without TLS."""
        self.subscribed = False
        self.outbox = bytearray()
        self.action = Action.NONE
        self.deadline_ns = NEVER
        self.on_established: Callable[[], None] = _nobody
        """Called when the handshake is done, before the machine's `opened`."""
        self._context = context
        self._host = host
        self._established = False
        self._ended = False
        """True once the other side has announced that it sends no more."""
        self._failed = False
        self._left = False
        """True once we have announced that we send no more."""
        self._begin()

    def start(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self.machine.start(now_ns)
        self._follow()

    def opened(self, now_ns: int) -> None:
        """See `ClientMachine`; the handshake begins."""
        self._begin()
        self._shake_hands(now_ns)
        self._follow()

    def receive(self, data: bytes, kernel_ns: int, app_ns: int) -> None:
        """See `ClientMachine`."""
        self._incoming.write(data)
        try:
            if not self._established:
                self._shake_hands(app_ns)
            if self._established and (plain := self._opened_records()):
                self.machine.receive(plain, kernel_ns, app_ns)
        except ssl.SSLError:
            self._failed = True
            self.action = Action.CLOSE
        self._follow()
        if self._ended:
            self._leave()

    def closed(self, now_ns: int, reason: str) -> None:
        """See `ClientMachine`. The reason is `tls` if the handshake or a record failed."""
        if self._failed or (reason == "eof" and not self._established):
            reason = "tls"
        elif self._ended and reason == "closed":
            reason = "eof"
        self._established = False
        if self._last and self._produced - len(self.outbox) <= self._sealed_at:
            self.machine.outbox[:0] = self._last   # no byte of its record was sent
        self.machine.closed(now_ns, reason)
        self.machine.outbox.clear()
        self._follow()

    def timer(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self.machine.timer(now_ns)
        self._follow()

    def stop(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self.machine.stop(now_ns)
        self._follow()

    def _begin(self) -> None:
        """Begin a new TLS session for the next connection."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_hostname=self._host)
        self._established = self._ended = self._left = self._failed = False
        self._produced = 0
        """Sealed bytes that were put into the outbox."""
        self._last, self._sealed_at = b"", 0
        """The last bytes that the machine sent, and the number of sealed bytes before them."""

    def _shake_hands(self, now_ns: int) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        self._established = True
        self.on_established()
        self.machine.opened(now_ns)
        self._seal()   # before anything is read: the two directions are independent

    def _opened_records(self) -> bytes:
        """Return the plain bytes of the complete records."""
        pieces = []
        try:
            while piece := self._tls.read(READ_SIZE):
                pieces.append(piece)
            self._ended = True   # an empty read where a record was due is the other side's close_notify
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._ended = True
        return b"".join(pieces)

    def _seal(self) -> None:
        if self.machine.outbox and self._established and not self._left:
            self._take_out()
            self._last, self._sealed_at = bytes(self.machine.outbox), self._produced
            self._tls.write(self.machine.outbox)
            self.machine.outbox.clear()

    def _take_out(self) -> None:
        """Move the bytes that TLS has to send into the outbox."""
        sealed = self._outgoing.read()
        self._produced += len(sealed)
        self.outbox += sealed

    def _follow(self) -> None:
        """Take over the requests that the machine made in its last call."""
        self._seal()
        action = self.machine.action
        if action is not Action.NONE:
            self.machine.action = Action.NONE
            self.action = action
            if action is Action.CLOSE:
                self._leave()
        self._take_out()
        self.deadline_ns = self.machine.deadline_ns
        self.subscribed = self.machine.subscribed

    def _leave(self) -> None:
        """Announce that nothing more will be sent, and close."""
        self._left = True
        if self._established:
            with contextlib.suppress(ssl.SSLError):   # the other side's response is not waited for
                self._tls.unwrap()
        self._take_out()
        self.action = Action.CLOSE
