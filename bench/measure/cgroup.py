"""The limits that control groups set to this process: CPU, memory, and for how long it was held up.

    /proc/self/cgroup ─► the process's own group, of either kind ─► every group above it, up to the mount

Every level limits what is below it, so the smallest limit of all counts. Files of version 2 (`cpu.max`,
`memory.max`) and of version 1 (`cpu.cfs_quota_us`, `memory.limit_in_bytes`) are read alike; a hybrid system
has both. Pages of files that the kernel would give back at once are not counted as used.

Known weakness: of a group above its own mount a container sees nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN = "/proc/self/cgroup"


def levels(controller: str, root: Path = CGROUPS, own: str = OWN) -> Iterator[Path]:
    """Return the folders of this process's groups that may limit `controller`, from its own up."""
    for line in (_text(Path(own)) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounts = (root / controllers, root / controller) if controllers else (root, root / "unified")
        mount = next((each for each in mounts if each.is_dir()), None)
        if mount is not None:
            inner = Path(path.lstrip("/"))
            yield from (each for each in (mount / inner, *(mount / above for above in inner.parents))
                        if each.is_dir())


def quota_cores(root: Path = CGROUPS, own: str = OWN) -> float | None:
    """Return the smallest CPU quota, in cores; None without a quota."""
    found = []
    for folder in levels("cpu", root, own):
        words = (_text(folder / "cpu.max") or "").split()
        if len(words) != 2:
            words = [_text(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
        if words[0].isdigit() and words[1].isdigit() and int(words[1]):
            found.append(int(words[0]) / int(words[1]))
    return min(found, default=None)


def memory_bytes(root: Path = CGROUPS, own: str = OWN) -> tuple[int, int] | None:
    """Return the smallest memory limit and the least memory left at any level, in bytes; None
    without a limit."""
    limits, left = [], []
    for folder in levels("memory", root, own):
        for limit_name, used_name, cache_name in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit = _text(folder / limit_name) or ""
            if limit.isdigit():
                used = int(_text(folder / used_name) or 0) - fields(folder / "memory.stat").get(cache_name, 0)
                limits.append(int(limit))
                left.append(max(0, int(limit) - max(0, used)))
    return (min(limits), min(left)) if limits else None


def throttled_ns(root: Path = CGROUPS, own: str = OWN) -> int | None:
    """Return the time so far for which quotas were used up, summed over all levels, in ns; None
    where it can't be read."""
    found = []
    for folder in levels("cpu", root, own):
        said = fields(folder / "cpu.stat")
        if "throttled_usec" in said:
            found.append(said["throttled_usec"] * 1000)
        elif "throttled_time" in said:
            found.append(said["throttled_time"])
    return sum(found) if found else None


def fields(path: Path) -> dict[str, int]:
    """Return the name-and-number lines of one of the kernel's files; empty where it can't be read."""
    words = (line.split() for line in (_text(path) or "").splitlines())
    return {each[0]: int(each[1]) for each in words if len(each) == 2}


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
