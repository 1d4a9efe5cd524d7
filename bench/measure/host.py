"""The machine on which a run is made: its description, and checks for what would spoil a run.

`describe()` goes into the manifest, so that runs from different machines can be distinguished. `checks()` is
what `tickertape doctor` prints. What disturbs a trial while it runs: `bench.measure.noise`.

Known weakness: in a container, cores and memory are the host's unless the affinity mask or a
cgroup says less (`bench.measure.cgroup`); load from other containers shows only as time that is missing.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import resource
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from bench.measure import cgroup

LINUX = sys.platform == "linux"
LIBRARIES = (
    "aiohttp", "gevent", "httptools", "locust", "matplotlib", "numpy", "orjson", "pandas", "psutil",
    "pyarrow", "pydantic", "scipy", "uvloop", "websockets",
)
"""The libraries whose version can change a result."""
FILES_WANTED = 4096
CORES_WANTED = 2
"""One core for the server, one for the measuring processes."""
MEMORY_WANTED = 1_000_000_000
"""The approximate memory of a trial with some hundred clients, in bytes."""


def read_text(path: str) -> str | None:
    """Return a small kernel file, stripped; None where there is none (another system, a container)."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def cores() -> list[int]:
    """Return the cores that this process may run on."""
    if LINUX:
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def core_count() -> int:
    """Return the number of the machine's cores, including those that this process may not use."""
    return psutil.cpu_count() or 1


def memory_bytes() -> tuple[int, int]:
    """Return total and available memory in bytes, at most what the control groups allow."""
    memory, limits = psutil.virtual_memory(), cgroup.memory_bytes()
    if limits is None:
        return memory.total, memory.available
    return min(memory.total, limits[0]), min(memory.available, limits[1])


def open_files() -> tuple[int, int]:
    """Return the soft and the hard limit on open files."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def raise_open_files() -> int:
    """Raise the soft limit on open files to the hard one, for this process and its children."""
    soft, hard = open_files()
    with contextlib.suppress(ValueError, OSError):   # macOS reports a hard limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft


def local_ports() -> int | None:
    """Return the number of ports that the kernel assigns to outgoing connections; None off Linux."""
    text = read_text("/proc/sys/net/ipv4/ip_local_port_range")
    if text is None:
        return None
    low, high = text.split()
    return int(high) - int(low) + 1


def cpu_model() -> str:
    """Return the processor's name."""
    for line in (read_text("/proc/cpuinfo") or "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def virtualisation() -> str | None:
    """Return `virtual machine` where the processor reports a hypervisor; None off Linux."""
    info = read_text("/proc/cpuinfo")
    if info is None:
        return None
    return "virtual machine" if " hypervisor" in info else "none seen"


def versions() -> dict[str, str]:
    """Return the versions of Python and the libraries."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        found[name] = importlib.metadata.version(name)
    return found


def own_version() -> str:
    """Return Tickertape's version."""
    return importlib.metadata.version("tickertape")


def describe() -> dict[str, Any]:
    """Return the description of the machine for the manifest; None for values that can't be read."""
    soft, hard = open_files()
    total, available = memory_bytes()
    governor = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu_model": cpu_model(),
        "cores": cores(),
        "cpu_quota_cores": cgroup.quota_cores(),
        "governor": read_text(governor),
        "clock_source": read_text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "virtualisation": virtualisation(),
        "memory_bytes": total,
        "memory_available_bytes": available,
        "open_files_soft": soft,
        "open_files_hard": hard,
        "local_ports": local_ports(),
        "somaxconn": _number("/proc/sys/net/core/somaxconn"),
        "tcp_rmem": read_text("/proc/sys/net/ipv4/tcp_rmem"),
        "tcp_wmem": read_text("/proc/sys/net/ipv4/tcp_wmem"),
        "load_average": list(os.getloadavg()),
    }


def _number(path: str) -> int | None:
    text = read_text(path)
    return None if text is None else int(text)


@dataclass(frozen=True, slots=True)
class Check:
    """One property of the machine that can spoil a run."""

    name: str
    verdict: Literal["good", "poor", "missing"]
    """`missing`: it does not exist or can't be read here; values that depend on it stay empty."""
    found: str
    advice: str = ""


def checks(described: Mapping[str, Any]) -> list[Check]:
    """Judge a description; other load on the machine is judged by `bench.experiment.doctor`."""
    return [
        _system(described["system"]),
        _cores(described["cores"], described["cpu_quota_cores"]),
        _memory(described["memory_available_bytes"]),
        _files(described["open_files_hard"]),
        _ports(described["local_ports"]),
        _clock(described["clock_source"]),
        _frequency(described["governor"], described["virtualisation"]),
    ]


def _system(system: str) -> Check:
    if system == "Linux":
        return Check("system", "good", system)
    return Check("system", "missing", system,
                 "kernel instants, TCP counters and CPU clocks need Linux: those columns stay empty")


def _cores(found: list[int], quota: float | None) -> Check:
    if len(found) < 2:
        return Check("cores", "poor", "1",
                     "server and load share a core: latencies include each other's work")
    if quota is not None and quota < CORES_WANTED:
        return Check("cores", "poor", f"{len(found)}, with a cgroup's quota of the time of {quota:.3g}",
                     "processes that run in parallel are paused once the quota is used up: raise the "
                     f"container's CPU limit to at least {CORES_WANTED}")
    granted = "" if quota is None else f", with a cgroup's quota of the time of {quota:.3g}"
    return Check("cores", "good", f"{len(found)}: the server runs alone on core {found[0]}{granted}")


def _memory(available: int) -> Check:
    text = f"{available / 1e9:.1f} GB available"
    if available >= MEMORY_WANTED:
        return Check("memory", "good", text)
    return Check("memory", "poor", text, f"a trial's processes take {MEMORY_WANTED / 1e9:g} GB: end what "
                 "else takes memory, or raise the container's limit")


def _files(hard: int) -> Check:
    if hard == resource.RLIM_INFINITY:
        return Check("open files", "good", "no hard limit")
    if hard >= FILES_WANTED:
        return Check("open files", "good", f"{hard} (hard limit)")
    return Check("open files", "poor", f"{hard} (hard limit)",
                 f"each client takes one in load and server: `ulimit -Hn {FILES_WANTED}` as root")


def _ports(count: int | None) -> Check:
    if count is None:
        return Check("ports", "missing", "can't be read here")
    if count >= FILES_WANTED:
        return Check("ports", "good", f"{count} for outgoing connections")
    return Check("ports", "poor", f"{count} for outgoing connections",
                 "widen net.ipv4.ip_local_port_range with sysctl")


def _clock(source: str | None) -> Check:
    if source is None:
        return Check("clock source", "missing", "can't be read here")
    if source in ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"):
        return Check("clock source", "good", source)
    return Check("clock source", "poor", source,
                 "reading it is a system call: choose tsc, if the kernel offers it")


def _frequency(governor: str | None, virtualisation: str | None) -> Check:
    if governor is None:
        where = "a virtual machine" if virtualisation == "virtual machine" else "this machine"
        return Check("frequency scaling", "missing", f"{where} does not show it")
    if governor == "performance":
        return Check("frequency scaling", "good", governor)
    return Check("frequency scaling", "poor", governor, "`cpupower frequency-set -g performance` as root")


def free_port() -> int:
    """Return a port that is free now (another process may take it before it is used)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return True where a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return False
    return True
