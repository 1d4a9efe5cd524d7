"""Limits of control groups, of either version and at any level: the smallest counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.measure import cgroup

GB = 10**9


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder for the kernel's files."""
    (tmp_path / "root").mkdir()
    return tmp_path


def written(machine: Path, own: str, files: dict[str, str]) -> tuple[Path, str]:
    """Return the mount and the process's own file, with these files below the mount."""
    (machine / "own").write_text(own)
    for name, content in files.items():
        path = machine / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return machine / "root", str(machine / "own")


@pytest.mark.parametrize(("own", "files", "cores"), [
    ("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5),
    ("0::/\n", {"cpu.max": "max 100000\n"}, None),
    ("0::/jobs/7\n", {"jobs/7/cpu.max": "max 100000", "jobs/cpu.max": "150000 100000"}, 1.5),
    ("0::/jobs/7\n", {"jobs/7/cpu.max": "100000 100000", "jobs/cpu.max": "150000 100000"}, 1.0),
    ("0::/jobs/7\n", {"jobs/7/cpu.max": "300000 100000", "jobs/cpu.max": "150000 100000"}, 1.5),
    ("0::/elsewhere\n", {"cpu.max": "25000 100000"}, 0.25),
    ("3:cpu,cpuacct:/x\n", {"cpu,cpuacct/x/cpu.cfs_quota_us": "-1",
                            "cpu,cpuacct/x/cpu.cfs_period_us": "100000"}, None),
    ("3:cpu,cpuacct:/x\n0::/\n", {"cpu,cpuacct/cpu.cfs_quota_us": "70000",
                                   "cpu,cpuacct/cpu.cfs_period_us": "100000",
                                   "cpu,cpuacct/x/cpu.cfs_quota_us": "-1"}, 0.7),
    ("1:cpu:/a/b\n", {"cpu/a/cpu.cfs_quota_us": "200000", "cpu/a/cpu.cfs_period_us": "100000",
                      "cpu/a/b/cpu.cfs_quota_us": "40000", "cpu/a/b/cpu.cfs_period_us": "50000"}, 0.8),
    ("4:cpuset:/\n", {"cpuset/cpu.max": "1 100000"}, None),
    ("", {}, None),
])
def test_the_smallest_quota_counts(
    machine: Path, own: str, files: dict[str, str], cores: float | None
) -> None:
    assert cgroup.quota_cores(*written(machine, own, files)) == cores


@pytest.mark.parametrize(("own", "files", "expected"), [
    ("0::/\n", {"memory.max": "max"}, None),
    ("0::/a\n", {"a/memory.max": f"{2 * GB}", "a/memory.current": f"{GB}"}, (2 * GB, GB)),
    ("0::/a\n", {"a/memory.max": f"{2 * GB}", "a/memory.current": f"{2 * GB}",
                 "a/memory.stat": f"anon 5\ninactive_file {GB}\n"}, (2 * GB, GB)),
    ("0::/a\n", {"a/memory.max": "max", "memory.max": f"{3 * GB}", "memory.current": "0"}, (3 * GB, 3 * GB)),
    ("0::/a/b\n", {"a/b/memory.max": f"{2 * GB}", "a/b/memory.current": "0",
                   "a/memory.max": f"{9 * GB}", "a/memory.current": f"{8 * GB}"}, (2 * GB, GB)),
    ("4:memory:/x\n", {"memory/x/memory.limit_in_bytes": f"{GB}", "memory/x/memory.usage_in_bytes": f"{GB}",
                       "memory/x/memory.stat": "total_inactive_file 7\n"}, (GB, 7)),
])
def test_the_smallest_limit_on_memory_counts(
    machine: Path, own: str, files: dict[str, str], expected: tuple[int, int] | None
) -> None:
    assert cgroup.memory_bytes(*written(machine, own, files)) == expected


@pytest.mark.parametrize(("own", "files", "expected"), [
    ("0::/jobs/7\n", {"jobs/7/cpu.stat": "usage_usec 9\nthrottled_usec 31\n"}, 31_000),
    ("0::/jobs/7\n", {"jobs/7/cpu.stat": "throttled_usec 0\n", "jobs/cpu.stat": "throttled_usec 4\n"}, 4000),
    ("0::/\n", {"cpu.stat": "usage_usec 9\nthrottled_usec 2\n"}, 2000),
    ("0::/elsewhere\n", {"cpu.stat": "throttled_usec 3\n"}, 3000),
    ("4:memory:/x\n1:cpu,cpuacct:/jobs\n",
     {"cpu,cpuacct/jobs/cpu.stat": "nr_throttled 1\nthrottled_time 44\n"}, 44),
    ("1:cpu:/\n", {"cpu/cpu.stat": "nr_periods 0\nthrottled_time 0\n"}, 0),
    ("0::/\n", {"cpu.stat": "usage_usec 9\n"}, None),
    ("0::/\n", {"other/cpu.stat": "throttled_usec 1\n"}, None),
])
def test_how_long_any_quota_was_used_up(
    machine: Path, own: str, files: dict[str, str], expected: int | None
) -> None:
    assert cgroup.throttled_ns(*written(machine, own, files)) == expected


def test_this_machines_own_can_be_read() -> None:
    quota, limits = cgroup.quota_cores(), cgroup.memory_bytes()
    assert quota is None or quota > 0
    assert limits is None or limits[1] <= limits[0]
