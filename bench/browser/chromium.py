"""A Chromium of this machine: found, started without a window, and ended with all of its processes.

    path + empty profile ─► process ─► profile/DevToolsActivePort: a port and a path ─► control ─► pages

Each page that is asked for gets a profile of its own, as if each were in a browser of its own. Pages of one profile
would share connections, of which a browser opens six to a host over HTTP/1.1.

The browser's clocks, timers and connections are left as they are, but for one difference between a page without a
window and one in front of a reader: the slower timers of hidden pages are switched off. As far as flags can say so,
the browser makes no request of its own to the net.

Known weakness: a process that runs as root can't have Chromium's sandbox, so it is switched off there. Open no address
with it but those of the project's own servers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.browser.devtools import PATIENCE_S, BrowserError, Control, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ABSENT = f"no Chromium here, since none of {', '.join(NAMES)} is on the path (on Debian: apt-get install chromium)"
FLAGS = (
    "--headless=new", "--disable-gpu", "--no-first-run", "--no-default-browser-check", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
    "--disable-dev-shm-usage", "--no-proxy-server", "--remote-debugging-port=0",
    "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    # Its own user interface, which nobody sees: two further pages for each page, busy for a second.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxFullPopup,WebUIOmniboxAimPopup,PreloadTopChromeWebUI,"
    "SpareRendererForSitePerProcess,OptimizationHints,Translate,MediaRouter",
)
EMPTY = "about:blank"
PROFILE = "browser-profile"
"""The name of the folder of a browser's profile in a trial's logs; it is removed when the trial is over."""
GRACE_S = 10.0
"""The longest time for the browser to end when asked, before it is killed."""


def found() -> str | None:
    """Return the path of the first of `NAMES` that is installed; None where none is."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def command(path: str, profile: Path) -> Sequence[str]:
    """Return the command that starts the Chromium at `path` with its profile in the folder `profile`."""
    return (path, *FLAGS, *["--no-sandbox"] * (os.geteuid() == 0), f"--user-data-dir={profile}", EMPTY)


class Browser:
    """A Chromium that runs."""

    def __init__(self, control: Control, port: int) -> None:
        self._control = control
        self._port = port

    def page(self) -> Page:
        """Open an empty page in a profile of its own and return it."""
        profile = self._control.ask("Target.createBrowserContext")["browserContextId"]
        target = self._control.ask("Target.createTarget", url=EMPTY, browserContextId=profile)["targetId"]
        return Page(f"ws://127.0.0.1:{self._port}/devtools/page/{target}")


@contextmanager
def started(path: str, profile: Path, environment: Mapping[str, str] | None = None) -> Iterator[Browser]:
    """Start the Chromium at `path`, yield it, and end it when the context is left.

    It makes the folder `profile` for its profile; its output is in `chromium.log` beside that. `environment` is added
    to this process's own. Raises `BrowserError` where it ends, or gives no port within `PATIENCE_S`.
    """
    log = profile.with_name("chromium.log")
    with log.open("wb") as output:
        process = subprocess.Popen(command(path, profile), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   env={**os.environ, **(environment or {})})
    lock = None
    try:
        port, place = _endpoint(process, profile, log)
        lock = _lock_folder(profile)
        with Control(f"ws://127.0.0.1:{port}{place}") as control:
            yield Browser(control, port)
    finally:
        process.terminate()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if lock is not None:
            shutil.rmtree(lock, ignore_errors=True)


def _lock_folder(profile: Path) -> Path | None:
    """Return the temporary folder with the lock of a profile, which Chromium may leave behind; None without one."""
    socket = profile / "SingletonSocket"
    return socket.readlink().parent if socket.is_symlink() else None


def _endpoint(process: subprocess.Popen[bytes], profile: Path, log: Path) -> tuple[int, str]:
    """Wait until the browser can be controlled, and return the port and the path of its control."""
    ends = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < ends:
        with_port = profile / "DevToolsActivePort"
        lines = with_port.read_text(encoding="utf-8").split() if with_port.exists() else []
        if len(lines) == 2:
            return int(lines[0]), lines[1]
        time.sleep(0.02)
    why = f"ended with status {process.returncode}" if process.returncode is not None else "gave no port"
    raise BrowserError(f"the browser {why}: {log.read_text(errors='replace')[-2000:]}")
