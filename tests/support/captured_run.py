"""A run under a packet capture, in a network namespace: `captured_run.py SCENARIO RESULTS CAPTURE`.

Loopback is brought up first, since it is down in a new namespace. The script ends with the run's exit status; the
capture's own summary, with its drops, is the last thing on standard error.
"""

from __future__ import annotations

import fcntl
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def bring_up(interface: str) -> None:
    """Bring an interface up as `ip link set … up` does, since `ip` may be missing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        name = struct.pack("16sH22x", interface.encode(), 0)
        flags = struct.unpack_from("16sH", fcntl.ioctl(sock, _SIOCGIFFLAGS, name))[1]
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH22x", interface.encode(), flags | _IFF_UP))


def main(scenario: str, results: str, capture: str) -> int:
    bring_up("lo")
    dumpcap = subprocess.Popen(
        ["dumpcap", "-q", "-i", "lo", "-f", "tcp", "-s", "128", "-B", "64", "-w", capture],
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 20
        while not Path(capture).exists() and dumpcap.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        command = [sys.executable, "-c", "from bench.cli import main; main()",
                   "run", scenario, "--wait", "--results", results]
        status = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    finally:
        dumpcap.send_signal(signal.SIGINT)
        told = dumpcap.communicate(timeout=60)[1]
    sys.stderr.write(told.decode())
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
