"""A second witness: a packet capture of the same trials has the bytes and segments that we report.

One run with every transport, with and without TLS, in a network namespace of its own, so that nothing else is
on its loopback. A trial's packets are those of its server's port between the instants at which the clients'
counters were read. Where the interface handed over several segments as one frame, it counts as the
⌈length / MSS⌉ segments that TCP sent; the capture itself must have dropped none.
"""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.measure import tcp
from bench.records import trial_record

pytestmark = [pytest.mark.real, pytest.mark.process, pytest.mark.timeout(400)]   # it may have to wait for another run

MSS = tcp.MSS - 12
"""Payload of a full segment: the timestamps take twelve bytes of what was asked for."""
# With this seed no tick is due within 30 ms of either end of the window, where a packet could fall on the one
# side of it and the reading of its connection's counters on the other.
SCENARIO = """\
question = "Does a capture agree?"
seed = 48
feed.rate_per_s = 40
load.clients = [20]
windows = {idle_s = 0, warmup_s = 0.4, measure_s = 1.5}
trials = {count = 1, repeats = 0}
[transports.short]
transport = "short_polling"
interval_s = 0.1
compression = "gzip"
[transports.short_tls]
transport = "short_polling"
interval_s = 0.1
tls = true
headers = "heavy"
[transports.short_new_tls]
transport = "short_polling"
interval_s = 0.2
connection = "new"
tls = true
[transports.long]
transport = "long_polling"
headers = "browser"
[transports.long_tls]
transport = "long_polling"
tls = true
[transports.websocket]
[transports.websocket_tls]
transport = "websocket"
tls = true
compression = "permessage-deflate"
"""
SUBJECTS = re.findall(r"transports\.(\w+)", SCENARIO)


@dataclass(frozen=True)
class Packet:
    """The sizes of one captured frame on the wire."""

    at_ns: int
    source: int
    destination: int
    segments: int
    bytes: int


@dataclass(frozen=True)
class Captured:
    """The run's folder, and every packet of its loopback."""

    run: Path
    packets: list[Packet]


def reason_against() -> str | None:
    """Return why no capture can be made here."""
    missing = [tool for tool in ("tshark", "dumpcap", "unshare") if shutil.which(tool) is None]
    if missing:
        return f"no {', '.join(missing)} here"
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        return "network namespaces are not permitted here"
    interfaces = subprocess.run(["unshare", "-n", "dumpcap", "-D"], capture_output=True, check=False)
    return None if b"lo" in interfaces.stdout else "capturing is not permitted here"


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Captured:
    """The run, once for all tests."""
    reason = reason_against()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("capture")
    scenario, results, file = folder / "capture.toml", folder / "results", folder / "lo.pcapng"
    scenario.write_text(SCENARIO)
    script = Path(__file__).parent / "support" / "captured_run.py"
    done = subprocess.run(
        ["unshare", "-n", sys.executable, str(script), str(scenario), str(results), str(file)],
        capture_output=True, text=True, timeout=300, check=False,
    )
    assert done.returncode in (0, 1), done.stderr   # 1: a trial is INVALID on a noisy machine; it counts here
    dropped = re.search(r"received/dropped on interface '.*lo': \d+/(\d+)", done.stderr)
    assert dropped is not None, done.stderr
    assert int(dropped[1]) == 0
    (run,) = (path.parent for path in results.glob("*/manifest.json") if not path.parent.is_symlink())
    return Captured(run, read_packets(file))


def read_packets(file: Path) -> list[Packet]:
    """Return the TCP packets of a capture, by tshark."""
    names = ("frame.time_epoch", "tcp.srcport", "tcp.dstport", "ip.len", "tcp.len")
    fields = [word for name in names for word in ("-e", name)]
    lines = subprocess.run(
        ["tshark", "-r", str(file), "-T", "fields", *fields], capture_output=True, text=True, check=True,
    ).stdout.splitlines()
    packets = []
    for line in lines:
        at, source, destination, length, payload = line.split("\t")
        seconds, _, fraction = at.partition(".")
        segments = max(1, math.ceil(int(payload) / MSS))
        packets.append(Packet(
            at_ns=int(seconds) * 10**9 + int(fraction[:9].ljust(9, "0")),
            source=int(source), destination=int(destination), segments=segments,
            bytes=int(payload) + segments * (int(length) - int(payload)),
        ))
    return packets


def server_port(trial: Path) -> int:
    found = re.search(r"listens at 127\.0\.0\.1:(\d+)", (trial / "logs" / "server.log").read_text())
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_capture_agrees_with_our_bytes_and_segments(captured: Captured, subject: str) -> None:
    (row,) = (
        row for row in csv.DictReader((captured.run / "trials.csv").open()) if row["transport"] == subject
    )
    assert row["status"] == "finished", row["failure"]
    trial = captured.run / "trials" / row["trial"]
    clients = trial_record.read_table(trial, "clients").to_pydict()
    manifest = json.loads((captured.run / "manifest.json").read_text())
    offset_ns = time.time_ns() - time.monotonic_ns() + manifest["clock_origin_ns"]
    from_ns, to_ns = (min(clients[name]) + offset_ns for name in ("counted_from_ns", "counted_to_ns"))
    port = server_port(trial)
    within = [packet for packet in captured.packets if from_ns <= packet.at_ns < to_ns]
    seen = {
        "up": [packet for packet in within if packet.destination == port],
        "down": [packet for packet in within if packet.source == port],
    }
    assert min(map(len, seen.values())) > 100
    for direction, packets in seen.items():
        ours = {
            name: float(row[f"{name}_{direction}_per_update"]) * float(row["arrivals"])
            for name in ("bytes", "segments")
        }
        theirs = {
            "bytes": sum(packet.bytes for packet in packets),
            "segments": sum(packet.segments for packet in packets),
        }
        assert ours == pytest.approx(theirs, rel=0.01), direction


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_parts_are_where_they_belong(captured: Captured, subject: str) -> None:
    """TLS has a part where it is on and about none where it is off; so has compression."""
    (row,) = (
        row for row in csv.DictReader((captured.run / "trials.csv").open()) if row["transport"] == subject
    )
    tls, whole = float(row["tls_bytes_down_per_update"]), float(row["bytes_down_per_update"])
    assert (tls > 0.02 * whole) if subject.endswith("tls") else (abs(tls) < 0.01 * whole)
    clients = trial_record.read_table(captured.run / "trials" / row["trial"], "clients").to_pydict()
    compressed, expanded = (sum(clients[f"{name}_bytes_down"]) for name in ("compressed", "expanded"))
    if subject in ("short", "websocket_tls"):
        assert 0 < compressed < expanded
    else:
        assert compressed == expanded == 0
