"""All servers side by side: each answers where it was said to, and nothing is left afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import by_hand
import orjson
import pytest
from ports import first_port

from bench import transports
from bench.errors import UserError
from bench.experiment.serve import (
    DAY_S,
    FEED_PORT_OFFSET,
    TICKS_MAX,
    end_text,
    horizon_s,
    left_out_text,
    line_for,
    origin_of,
)
from bench.scenario.model import External, Feed
from bench.transports.description import Endpoint

pytestmark = pytest.mark.process
SERVERS = len(transports.own_names())
"""The servers of the scenario `quick`; a line on the feed comes before theirs, and one on the live page after them."""


def started(mark: Any, tmp_path: Path, port: int, *more: str) -> subprocess.Popen[str]:
    return serving(mark, tmp_path, "quick", port, "--set", "feed.rate_per_s=50", *more)


def serving(mark: Any, tmp_path: Path, scenario: str, port: int, *more: str) -> subprocess.Popen[str]:
    arguments = ["serve", scenario, "--port", str(port), *more]
    return subprocess.Popen(
        [sys.executable, "-c", "from bench.cli import main; main()", *arguments], text=True,
        env={**os.environ, **mark.environment, "TMPDIR": str(tmp_path)}, stdout=-1, stderr=-1,
    )


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().rstrip() for _ in range(count)]


def got(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return orjson.loads(answer.read())


def test_a_server_of_ones_own_is_named_with_its_command() -> None:
    server = External(command=("node", "my server.js", "{feed_port}", "{port}"), ready="http://localhost/")
    assert left_out_text("mine", server, 8700) == (
        "mine            left out, since it is a server of your own; to start it on this feed: "
        "node 'my server.js' 8700 '{port}'")


def test_all_servers_hand_out_one_feed_until_one_ends_and_its_words_are_told(mark: Any, tmp_path: Path) -> None:
    port = first_port()
    process = started(mark, tmp_path, port, "--origin", "https://page.example", "--set", "feed.rate_per_s=500")
    said = lines(process, 1 + SERVERS)
    assert [line.split()[1] for line in said] == [
        f"127.0.0.1:{port + number}" for number in (FEED_PORT_OFFSET, *range(1, 1 + SERVERS))]
    assert f" http://127.0.0.1:{port}/ " in lines(process, 1)[0]
    assert [each["label"] for each in got(f"http://127.0.0.1:{port}/live.json")["subjects"]] == [
        line.split()[0] for line in said[1:]]
    with socket.create_connection(("127.0.0.1", port + FEED_PORT_OFFSET)) as feed:
        feed.sendall(b"after -\n")
        header = orjson.loads(feed.makefile("rb").readline())
    urls = [f"http://{line.split()[1]}/ticks" for line in said if "polling" in line.split()[0]]
    assert len(urls) == 2
    for origin in ("https://page.example", f"http://127.0.0.1:{port}", f"http://localhost:{port}"):
        page = urllib.request.Request(urls[0], headers={"Origin": origin})
        with urllib.request.urlopen(page, timeout=20) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == origin
    for url in urls:
        cursor = got(url)["cursor"]
        assert cursor.split(":")[0] == header["epoch"]
    from websockets.sync.client import connect
    with connect(next(line for line in said if "ws://" in line).split()[-1].strip("'")) as client:
        assert orjson.loads(client.recv())["cursor"].split(":")[0] == header["epoch"]
        pushed = orjson.loads(client.recv())   # a tick, or a batch where the machine was busy
        assert {tick["symbol"] for tick in pushed.get("ticks", [pushed])} <= set(header["symbols"])
    by_hand.walk(port, "quick")
    next(each for each in mark.alive() if "bench.transports" in each.cmdline()[3:4]).kill()
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "ended by itself with status 137" in error
    assert mark.left_after() == []


def test_a_chat_by_hand_works_as_it_is_written(mark: Any, tmp_path: Path) -> None:
    port = first_port()
    process = serving(mark, tmp_path, "use-cases/chat", port)
    assert lines(process, 3 + SERVERS)[-1].startswith("The feed has the messages that you send")
    by_hand.walk(port, "use-cases/chat")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert mark.left_after() == []


def test_every_part_of_the_walk_by_hand_is_run() -> None:
    assert set(by_hand.parts()) == {"quick", "use-cases/chat"}


def test_locusts_web_interface_loads_a_server(mark: Any, tmp_path: Path) -> None:
    process = started(mark, tmp_path, first_port(), "--locust", "--set", "transports={websocket={}}")
    said = lines(process, 4)
    web = next(line.split()[1] for line in said if line.startswith("websocket") and "http://" in line)
    deadline = time.monotonic() + 60
    while True:
        try:
            assert got(f"{web}/stats/requests")["state"] == "ready"
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    urllib.request.urlopen(f"{web}/swarm", data=b"user_count=3&spawn_rate=10", timeout=20).close()
    while not any(entry["num_requests"] > 10 for entry in got(f"{web}/stats/requests")["stats"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.kill()
    process.communicate()
    assert mark.left_after() == []


def test_a_taken_port_is_told(mark: Any, tmp_path: Path) -> None:
    port = first_port()
    with socket.create_server(("127.0.0.1", port + 2)):
        process = started(mark, tmp_path, port)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert error == f"port {port + 2} is taken; name another first one with --port\n"


@pytest.mark.parametrize(("transport", "tls", "poke"), [
    ("short_polling", False, "curl 'http://127.0.0.1:87/ticks?after=9f2c:0'"),
    ("short_polling", True, "curl --cacert x.pem 'https://127.0.0.1:87/ticks?after=9f2c:0'"),
    ("long_polling", False, "curl \"http://127.0.0.1:87/ticks?after=$(curl -s http://127.0.0.1:87/ticks "
                            "| cut -d'\"' -f4)\""),
    ("sse", False, "curl -N 'http://127.0.0.1:87/ticks?after=9f2c:0'"),
    ("websocket", False, " -m websockets 'ws://127.0.0.1:87/ticks?after=9f2c:0'"),
    ("websocket", True, " -m websockets 'wss://127.0.0.1:87/ticks?after=9f2c:0'"),
])
def test_each_transport_has_a_line_to_poke_at_it(transport: str, tls: bool, poke: str) -> None:
    endpoint = Endpoint("127.0.0.1:87", "9f2c", Path("x.pem") if tls else None)
    assert line_for("mine", transport, endpoint).endswith(poke)


@pytest.mark.parametrize(("tls", "proxy", "ending"), [
    ("false", "http://127.0.0.1:1", signal.SIGINT), ("true", "", signal.SIGTERM)])
def test_each_line_works_as_it_is_printed_and_shows_ticks(
    mark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: str, proxy: str, ending: int
) -> None:
    monkeypatch.setenv("http_proxy", proxy)   # where nobody listens
    sets = [word for name in transports.own_names()
            for word in ("--set", f"transports.{name}.tls={tls}")]
    process = started(mark, tmp_path, first_port(), *sets)
    *said, end = lines(process, 2 + SERVERS + (tls == "false"))   # no page trusts those certificates
    assert end == "The feed goes on for 11 h 6 min; Ctrl-C ends everything."
    for line in said[:1 + SERVERS]:
        shell = subprocess.Popen(["bash", "-c", line.split(maxsplit=2)[2]], stdin=subprocess.PIPE, stdout=-1,
                                 stderr=subprocess.DEVNULL, start_new_session=True)
        assert shell.stdout is not None
        shown = b""
        while b'"due_ns"' not in shown:
            read = shell.stdout.read1()
            assert read, (line, shown)
            shown += read
        os.killpg(shell.pid, signal.SIGKILL)
        shell.communicate()
    process.send_signal(ending)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert mark.left_after() == []
    assert list(tmp_path.glob("tickertape-*")) == []


@pytest.mark.parametrize("text", ["https://page.example", "HTTP://LocalHost:3000", "http://[::1]:80"])
def test_an_origin_is_taken_as_browsers_send_it(text: str) -> None:
    assert origin_of(text) == text.lower()


@pytest.mark.parametrize("text", ["", "*", "null", "page.example", "https://page.example/", "https://a b"])
def test_what_is_no_origin_is_a_sentence(text: str) -> None:
    with pytest.raises(UserError, match=r"--origin: found .* allowed is a page's origin"):
        origin_of(text)


def test_a_feed_is_no_longer_than_memory_allows() -> None:
    assert horizon_s(Feed(rate_per_s=10.0)) == DAY_S
    assert horizon_s(Feed(rate_per_s=1000.0)) == TICKS_MAX / 1000
    assert "for 33 min 20 s;" in end_text(Feed(rate_per_s=1000.0))
    replayed = Feed.model_validate({"schedule": "replay", "replay": {"file": "trades.csv"}})
    assert "to the end of its file, for 24 h 0 min at most;" in end_text(replayed)   # it may be of weeks
