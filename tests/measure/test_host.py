"""The machine's description, and what the checks make of good and bad machines."""

from __future__ import annotations

import json
import os
import resource
import socket
from typing import Any

import pytest

from bench.measure import host
from bench.measure.host import checks

GOOD: dict[str, Any] = {
    "system": "Linux", "cores": [0, 1], "open_files_hard": 20000, "local_ports": 28232,
    "cpu_quota_cores": None, "memory_available_bytes": 4_000_000_000,
    "clock_source": "tsc", "governor": "performance", "virtualisation": "none seen",
}


def verdicts(described: dict[str, Any]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks(described)}


def test_the_description_is_plain_data_about_this_machine() -> None:
    described = json.loads(json.dumps(host.describe()))
    assert described["cores"] == sorted(os.sched_getaffinity(0))
    assert described["memory_available_bytes"] <= described["memory_bytes"]
    assert described["cpu_model"]
    assert set(GOOD) <= set(described)
    assert host.versions()["websockets"]


def test_a_good_machine_has_nothing_to_mend() -> None:
    assert set(verdicts(GOOD).values()) == {"good"}
    assert all(not check.advice for check in checks(GOOD))


@pytest.mark.parametrize(("changes", "name", "verdict"), [
    ({"system": "Darwin"}, "system", "missing"),
    ({"cores": [3]}, "cores", "poor"),
    ({"cpu_quota_cores": 1.5}, "cores", "poor"),
    ({"memory_available_bytes": 300_000_000}, "memory", "poor"),
    ({"open_files_hard": 256}, "open files", "poor"),
    ({"local_ports": 100}, "ports", "poor"),
    ({"local_ports": None}, "ports", "missing"),
    ({"clock_source": "hpet"}, "clock source", "poor"),
    ({"clock_source": None}, "clock source", "missing"),
    ({"governor": "powersave"}, "frequency scaling", "poor"),
    ({"governor": None}, "frequency scaling", "missing"),
])
def test_each_fault_is_found_and_only_it(changes: dict[str, Any], name: str, verdict: str) -> None:
    judged = verdicts(GOOD | changes)
    assert judged.pop(name) == verdict
    assert set(judged.values()) == {"good"}
    told = next(check for check in checks(GOOD | changes) if check.name == name)
    assert told.advice or told.verdict == "missing"


def test_a_quota_is_told_beside_the_cores() -> None:
    for quota, verdict in ((0.5, "poor"), (2.0, "good")):
        check = next(each for each in checks(GOOD | {"cpu_quota_cores": quota}) if each.name == "cores")
        assert check.verdict == verdict
        assert f"a cgroup's quota of the time of {quota:g}" in check.found


def test_an_unlimited_number_of_files_is_good() -> None:
    unlimited = checks(GOOD | {"open_files_hard": resource.RLIM_INFINITY})
    check = next(each for each in unlimited if each.name == "open files")
    assert (check.verdict, check.found) == ("good", "no hard limit")


def test_a_taken_port_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not host.port_is_free(port)
    assert host.port_is_free(port)


def test_the_limit_on_open_files_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    assert host.raise_open_files() == hard
    assert host.open_files()[0] == hard


def test_a_file_that_the_kernel_does_not_have_is_none() -> None:
    assert host.read_text("/proc/no/such/file") is None
