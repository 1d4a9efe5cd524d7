"""The project's own programs as commands, each with its configuration in a file beside its log.

    publisher   python -m bench.feed.publisher logs/publisher.json    (or bench.uplink.exchange, where clients send)
    server      python -m bench.transports     logs/server.json
    load        python -m bench.load -f bench/load/locustfile.py … TICKERTAPE_LOAD=logs/load.json
                or python -m bench.load.browser                        TICKERTAPE_LOAD=logs/load.json
    live page   python -m bench.experiment.live logs/page.json

The load is started by its name and never imported, because importing Locust patches the standard library.
`-P` prevents a file in the current folder from being imported in place of a library.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.experiment.trial.processes import Command
from bench.scenario.fields import Table
from bench.scenario.model import DEFAULT_SERVER, Feed, Server
from bench.wire import options as wire
from bench.wire.options import Wire

LOCALHOST = "127.0.0.1"
LOAD = (sys.executable, "-P", "-m", "bench.load")
LOCUSTFILE = Path(__file__).parents[2] / "load" / "locustfile.py"
LOAD_VARIABLE = "TICKERTAPE_LOAD"

Cores = frozenset[int] | None


def publisher(folder: Path, feed: Feed, *, seed: int, horizon_s: float, t0_s: float, clock_origin_ns: int,
              port: int = 0, warmup_ns: int | None = None, cores: Cores = None, clients: int | None = None,
              symbols_per_client: int | None = None) -> Command:
    """Return the command of the feed's publisher, or of the exchange that takes messages: those of `clients`, or any.

    With `warmup_ns` it is a restarted publisher, which continues a schedule that is under way.
    """
    config = {
        "feed": feed.model_dump(mode="json"), "seed": seed, "horizon_s": horizon_s, "t0_s": t0_s,
        "clock_origin_ns": clock_origin_ns, "host": LOCALHOST, "port": port, "folder": str(folder),
        "warmup_ns": warmup_ns,
    }
    takes_messages = feed.source == "clients"
    if takes_messages:
        config |= {"clients": clients, "symbols_per_client": symbols_per_client}
    module = "bench.uplink.exchange" if takes_messages else "bench.feed.publisher"
    path = _written(folder, "publisher", config)
    return Command("publisher", (sys.executable, "-P", "-m", module, str(path)), cores=cores)


def server(folder: Path, transport: str, options: Table, server: Server, *, feed_port: int,
           implementation: str = DEFAULT_SERVER, name: str = "server", host: str = LOCALHOST, port: int = 0,
           allowed: Sequence[str] = (), cores: Cores = None, takes_messages: bool = False) -> Command:
    """Return the command of one implementation of a transport's server.

    `allowed` are further origins whose pages may read its responses.
    """
    origins, hosts = (wire.origins(options), wire.hosts(options)) if isinstance(options, Wire) else ([], [])
    config = {
        "transport": transport, "implementation": implementation, "options": options.model_dump(mode="json"),
        "server": server.model_dump(mode="json"), "feed": {"host": LOCALHOST, "port": feed_port},
        "host": host, "port": port, "origins": [*origins, *allowed], "hosts": hosts,
        "takes_messages": takes_messages,
    }
    path = _written(folder, name, config)
    return Command(name, (sys.executable, "-P", "-m", "bench.transports", str(path)), cores=cores)


def load(folder: Path, config: Mapping[str, Any], *, name: str = "load", cores: Cores = None) -> Command:
    """Return the command of one trial's load, or of one of its workers; it waits for the server's address."""
    path = _written(folder, name, config)
    workers = config.get("workers", 1)
    share = len(range(config.get("worker", 0), config["clients"], workers))
    arguments = (
        *LOAD, "-f", str(LOCUSTFILE), "--headless", "--only-summary",
        "--users", str(share), "--spawn-rate", f"{config['spawn_rate_per_s'] / workers:g}",
    )
    return Command(name, arguments, environment={LOAD_VARIABLE: str(path)}, cores=cores)


def browser_load(folder: Path, config: Mapping[str, Any], *, cores: Cores = None) -> Command:
    """Return the command of one trial's load with pages of a browser as clients; it waits for the server's address."""
    path = _written(folder, "load", config)
    return Command("load", (sys.executable, "-P", "-m", "bench.load.browser"), environment={LOAD_VARIABLE: str(path)},
                   cores=cores)


def web_load(folder: Path, name: str, config: Mapping[str, Any], port: int, processes: int = 1) -> Command:
    """Return the command of Locust's web interface on `port`, with `processes` workers.

    A person starts and stops its clients.
    """
    path = _written(folder, name, config)
    arguments = (
        *LOAD, "-f", str(LOCUSTFILE),
        "--web-host", LOCALHOST, "--web-port", str(port),
        *(("--processes", str(processes)) if processes > 1 else ()),
    )
    return Command(name, arguments, environment={LOAD_VARIABLE: str(path)}, lifeline=False)


def live_page(folder: Path, config: Table) -> Command:
    """Return the command of the live page; `config` is its configuration (`live.config.LiveConfig`)."""
    path = _written(folder, "page", config.model_dump(mode="json"))
    return Command("page", (sys.executable, "-P", "-m", "bench.experiment.live", str(path)))


def _written(folder: Path, name: str, config: Mapping[str, Any]) -> Path:
    path = folder / "logs" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config), encoding="utf-8")
    return path
