"""All servers of a scenario side by side on one feed, to poke at.

    publisher :8700 ──► server of the first subject :8701
                   └──► server of the second        :8702 …        (and Locust's web interface :8801 …)

Ports are fixed, so that a line from the history of one's shell works again. The processes stand under
the same guards as those of a trial and end with the command. A user's own server is left out: its
command and its address are the user's.

The drawn feed goes on for a day, a replayed one to the end of its file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.clock import RunClock
from bench.errors import HostError, TrialError
from bench.experiment import programs
from bench.experiment.prepare import Question
from bench.experiment.processes import Crew
from bench.measure import host

DAY_S = 86_400.0
FOREVER_S = 10 * 365 * DAY_S
READY_S = 60.0
WEB_PORT_OFFSET = 100
WEB_CLIENTS = 10
NS = 1_000_000_000


def serve(question: Question, port: int, *, locust: bool, say: Callable[[str], None]) -> None:
    """Serve until interrupted. The feed listens on `port`, the servers on those that follow.

    `say` is given the addresses; a taken port or a process that ends is a `HostError`.
    """
    subjects = [label for label, subject in question.scenario.transports.items() if subject.server is None]
    ports = {label: port + number for number, label in enumerate(subjects, 1)}
    web_ports = {label: each + WEB_PORT_OFFSET for label, each in ports.items()} if locust else {}
    for each in (port, *ports.values(), *web_ports.values()):
        if not host.port_is_free(each):
            raise HostError(f"port {each} is taken; name another first one with --port")
    host.raise_open_files()
    with tempfile.TemporaryDirectory(prefix="tickertape-") as folder, Crew(Path(folder) / "logs") as crew:
        try:
            _start(crew, Path(folder), question, port, ports, web_ports, say)
            crew.wait(lambda: False, FOREVER_S, "Ctrl-C")
        except TrialError as error:
            tails = "\n".join(child.tail() for child in crew.children if child.status is not None)
            raise HostError(f"{error}\n{tails}".strip()) from error


def _start(crew: Crew, folder: Path, question: Question, port: int, ports: dict[str, int],
           web_ports: dict[str, int], say: Callable[[str], None]) -> None:
    """Start everything, and say where it is."""
    scenario, clock = question.scenario, RunClock.start()
    publisher = crew.start(programs.publisher(
        folder, scenario.feed, seed=scenario.seed, horizon_s=DAY_S, t0_s=0.0,
        clock_origin_ns=clock.origin_ns, port=port,
    ))
    crew.expect(publisher, "ready", READY_S)
    publisher.send({"start": {"warmup_ns": clock.now_ns()}})
    say(f"feed            127.0.0.1:{port}    printf 'after -\\n' | nc 127.0.0.1 {port}")
    servers = [
        crew.start(programs.server(
            folder, scenario.transports[label].transport, question.options[label], scenario.server,
            name=label, feed_port=port, port=each,
        ))
        for label, each in ports.items()
    ]
    for server in servers:
        crew.expect(server, "ready", READY_S)
        say(line_for(server.name, scenario.transports[server.name].transport, ports[server.name],
                     tls=bool(getattr(question.options[server.name], "tls", False))))
    for label, each in web_ports.items():
        config = {
            "subject": label, "transport": scenario.transports[label].transport,
            "options": question.options[label].model_dump(mode="json"), "port": ports[label],
            "clients": WEB_CLIENTS, "mode": scenario.load.mode, "seed": scenario.seed,
            "spawn_rate_per_s": WEB_CLIENTS, "clock_origin_ns": clock.origin_ns,
        }
        crew.start(programs.web_load(folder, f"locust-{label}", config, each, scenario.load.processes))
        say(f"{label:15} http://127.0.0.1:{each}    Locust's web interface: open it in a browser")


def line_for(label: str, transport: str, port: int, tls: bool) -> str:
    """Where a server is, and a line to poke at it with."""
    address = f"127.0.0.1:{port}"
    poke = f"curl 'http://{address}/ticks?mode=latest'"
    if tls:
        page = "health" if transport == "websocket" else "ticks?mode=latest"
        poke = f"curl --insecure 'https://{address}/{page}'"
    elif transport == "websocket":
        poke = f"python -m websockets ws://{address}/ticks"
    return f"{label:15} {address}    {poke}"
