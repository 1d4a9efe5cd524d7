"""All servers of a scenario side by side on one feed, to try them by hand.

    publisher :8750 ──► server of the first subject :8701 ◄── relays ──┬── live page :8700  (`bench.experiment.live`)
                   └──► server of the second        :8702 ◄── relays ──┘
                        …                             ▲
                                                      └── Locust's web interface :8801 …, if it is asked for

Ports are fixed, so that a line from the shell's history works again. Each process runs under a supervisor
(`bench.experiment.trial.guard`), as in a trial, and ends with the command. A user's own server is not
started, since its command and address are the user's; the output says so. A pushing server has a second one
beside it for the page alone, with a flush if it has none, and without one if it has.

A drawn feed lasts for a day, or for two million ticks if those are fewer, since all ticks are drawn in
advance; a replayed feed lasts to the end of its file, but for a day at most. The printed lines request the feed from
its first tick on, so that each shows something at once; once the first tick has left the tape (the ticks a server still
holds), they are refused. A feed of clients has the messages that are sent by hand, and begins empty. If the
environment names a proxy, which can't reach these servers, the lines bypass it.
"""

from __future__ import annotations

import re
import shlex
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.clock import RunClock
from bench.errors import HostError, TrialError, UserError
from bench.experiment import requirements, run_folder
from bench.experiment.live import config as live
from bench.experiment.prepare import PreparedScenario, with_trades
from bench.experiment.requirements import duration_text
from bench.experiment.trial import commands
from bench.experiment.trial.processes import Child, TrialProcesses
from bench.feed import trade_store
from bench.lifeline import termination_as_interrupt
from bench.measure import host
from bench.scenario.fields import Table
from bench.scenario.model import External, Feed
from bench.transports import describe
from bench.transports.description import Endpoint

DAY_S = 86_400.0
MESSAGES_MAX = 100_000
"""About the number of messages that a feed of clients takes: one more has no place."""
TICKS_MAX = 2_000_000
"""Most ticks of a drawn feed: at most 100 bytes each in the publisher, and some 10 MB for the lines that
it keeps."""
FOREVER_S = 10 * 365 * DAY_S
READY_S = 60.0
FEED_PORT_OFFSET = 50
WEB_PORT_OFFSET = 100
ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
WEB_CLIENTS = 10
NS = 1_000_000_000


def serve(prepared: PreparedScenario, port: int, *, locust: bool, say: Callable[[str], None],
          origins: Sequence[str] = ()) -> None:
    """Serve until interrupted: the live page on `port`, the servers on the following ports.

    Pages of `origins` may read from the servers. `say` receives the addresses. Raises `HostError` where a
    port is taken or a process ends.
    """
    transports = prepared.scenario.transports
    subjects = [label for label, subject in transports.items() if subject.external is None]
    for label, subject in transports.items():
        if subject.external is not None:
            say(left_out_text(label, subject.external, port + FEED_PORT_OFFSET))
    ports = {label: port + number for number, label in enumerate(subjects, 1)}
    web_ports = {label: each + WEB_PORT_OFFSET for label, each in ports.items()} if locust else {}
    for each in (port, *ports.values(), port + FEED_PORT_OFFSET, *web_ports.values()):
        if not host.port_is_free(each):
            raise HostError(f"port {each} is taken; name another first one with --port")
    host.raise_open_files()
    with (
        termination_as_interrupt(), tempfile.TemporaryDirectory(prefix="tickertape-") as folder,
        TrialProcesses(Path(folder) / "logs") as trial_processes,
    ):
        try:
            prepared = _with_kept_trades(prepared, Path(folder))
            _start(trial_processes, Path(folder), prepared, port, ports, web_ports, origins, say)
            trial_processes.wait(lambda: False, FOREVER_S, "Ctrl-C")
        except TrialError as error:
            tails = "\n".join(child.tail() for child in trial_processes.children if child.status is not None)
            raise HostError(f"{tails}\n{error}".strip()) from error   # the last line gives the reason


def _start(trial_processes: TrialProcesses, folder: Path, prepared: PreparedScenario, port: int, ports: dict[str, int],
           web_ports: dict[str, int], origins: Sequence[str], say: Callable[[str], None]) -> None:
    """Start all processes, and report their addresses through `say`."""
    scenario, clock = prepared.scenario, RunClock.start()
    publisher = trial_processes.start(commands.publisher(
        folder, scenario.feed, seed=scenario.seed, horizon_s=horizon_s(scenario.feed), t0_s=0.0,
        clock_origin_ns=clock.origin_ns, port=port + FEED_PORT_OFFSET,
    ))
    ticks = TICKS_MAX if prepared.trades is None else len(prepared.trades.price)
    epoch = str(trial_processes.expect(publisher, "ready", requirements.starting_s(READY_S, ticks))["epoch"])
    publisher.send({"start": {"warmup_ns": clock.now_ns()}})
    feed_port = port + FEED_PORT_OFFSET
    say(f"feed            127.0.0.1:{feed_port}    "
        f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{feed_port}; echo after - >&3; cat <&3'")

    def started(label: str, options: Table, name: str, each: int) -> Child:
        subject = scenario.transports[label]
        return trial_processes.start(commands.server(
            folder, subject.transport, options, scenario.server, implementation=subject.implementation, name=name,
            feed_port=feed_port, port=each, allowed=[*origins, *live.origins(port)],
            takes_messages=scenario.feed.source == "clients",
        ))

    servers = [started(label, prepared.options[label], label, each) for label, each in ports.items()]
    others = {label: started(label, options, f"{label}.flush", 0)
              for label, options in live.flushed(prepared, ports).items()}
    for server in servers:
        certificate = trial_processes.expect(server, "ready", READY_S).get("certificate")
        trusted = folder / f"{server.name}.pem" if certificate else None
        if trusted:
            trusted.write_text(certificate, encoding="ascii")
        endpoint = Endpoint(f"{commands.LOCALHOST}:{ports[server.name]}", epoch, trusted, has_proxy())
        say(line_for(server.name, scenario.transports[server.name].transport, endpoint))
    other_ports = {label: int(trial_processes.expect(each, "ready", READY_S)["port"]) for label, each in others.items()}
    config = live.page_config(prepared, port, ports, other_ports, clock)
    if config.subjects:
        trial_processes.expect(trial_processes.start(commands.live_page(folder, config)), "ready", READY_S)
        say(f"{'live page':15} http://127.0.0.1:{port}/    open it in a browser: all of them side by side")
    for label, each in web_ports.items():
        load = {
            "subject": label, "transport": scenario.transports[label].transport,
            "options": prepared.options[label].model_dump(mode="json"), "port": ports[label],
            "clients": WEB_CLIENTS, "mode": scenario.load.mode, "seed": scenario.seed,
            "spawn_rate_per_s": WEB_CLIENTS, "clock_origin_ns": clock.origin_ns,
        }
        trial_processes.start(commands.web_load(folder, f"locust-{label}", load, each, scenario.load.processes))
        say(f"{label:15} http://127.0.0.1:{each}    Locust's web interface: open it in a browser")
    say(end_text(scenario.feed))


def left_out_text(label: str, server: External, feed_port: int) -> str:
    """Return a line that says that a user's own server is left out, and how to start it on this feed."""
    command = shlex.join(each.replace("{feed_port}", str(feed_port)) for each in server.command)
    return f"{label:15} left out, since it is a server of your own; to start it on this feed: {command}"


def _with_kept_trades(prepared: PreparedScenario, folder: Path) -> PreparedScenario:
    """Return the question with the trades of a replayed file stored in `folder`, which the publisher maps."""
    prepared = with_trades(prepared, horizon_s(prepared.scenario.feed), 0.0)
    if prepared.trades is None:
        return prepared
    kept = folder / trade_store.NAME
    trade_store.store(kept, prepared.trades)
    return replace(prepared, scenario=run_folder.replaying(prepared.scenario, kept))


def origin_of(text: str) -> str:
    """Return the origin `text` as browsers send it; raise `UserError` where it is not an origin."""
    origin = text.lower()
    if not ORIGIN.fullmatch(origin):
        raise UserError(f"--origin: found {text!r}, allowed is a page's origin without a path, "
                        "such as https://page.example or http://localhost:3000")
    return origin


def horizon_s(feed: Feed) -> float:
    """Return the length of the feed in s."""
    if feed.source == "clients":
        return MESSAGES_MAX / feed.rate_per_s
    return DAY_S if feed.schedule == "replay" else min(DAY_S, TICKS_MAX / feed.rate_per_s)


def end_text(feed: Feed) -> str:
    """Return a sentence on the length of the feed."""
    if feed.source == "clients":
        return ("The feed has the messages that you send, on a server or on the live page; "
                "Ctrl-C ends everything.")
    lasts = duration_text(horizon_s(feed))
    how_long = f"to the end of its file, for {lasts} at most" if feed.schedule == "replay" else f"for {lasts}"
    return f"The feed goes on {how_long}; Ctrl-C ends everything."


def has_proxy() -> bool:
    """Return whether the environment sends requests to this machine through a proxy."""
    found = urllib.request.getproxies()
    return bool(found) and not urllib.request.proxy_bypass(commands.LOCALHOST)


def line_for(label: str, transport: str, server: Endpoint) -> str:
    """Return a line with a server's address and the transport's command that reads from it."""
    return f"{label:15} {server.address}    {describe(transport).command(server)}"
