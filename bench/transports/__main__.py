"""Starts one server process: `python -m bench.transports CONFIG`.

`CONFIG` is the path of a JSON file (`bench.serving.config`) that names the transport. The process reports
over its control channel (`bench.lifeline`) when it is ready, and its counters at the end. Started by hand,
it logs the address on which it listens, and Ctrl-C stops it.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import uvloop

from bench import transports
from bench.errors import ScenarioError, UserError
from bench.lifeline import Lifeline
from bench.serving import config as configuration
from bench.serving.certificate import throw_away
from bench.serving.chassis import Chassis, Service
from bench.serving.config import ServerConfig
from bench.wire.options import Wire


def assemble(config: ServerConfig, where: str) -> tuple[Chassis, Service]:
    """Return the chassis and the service of the server that `config` describes.

    `where` names the file in error messages. Raises `ScenarioError` for an unknown transport or server
    implementation, or invalid options.
    """
    if config.transport not in transports.names():
        raise ScenarioError(where, "transport", repr(config.transport), ", ".join(transports.names()))
    transports.refuse_unknown_server(config.transport, config.implementation, where, "implementation")
    options = transports.options_of(config.transport, config.options, where, "options")
    secure = isinstance(options, Wire) and options.tls
    chassis = Chassis(config, throw_away(config.host) if secure else None)
    service = transports.server(config.transport, config.implementation).install(chassis, options)
    return chassis, service


async def serve(config: ServerConfig, where: str, lifeline: Lifeline | None) -> None:
    """Run the server that `config` describes, until it is asked to stop; `where` as in `assemble`."""
    chassis, service = assemble(config, where)
    await chassis.run(service, lifeline)


def main(arguments: list[str] | None = None) -> int:
    """Run the process and return its exit status: 0, or 2 for a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m bench.transports", description=__doc__)
    parser.add_argument("config", type=Path, help="a JSON file, see bench/serving/config.py")
    path: Path = parser.parse_args(arguments).config
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    logging.getLogger("websockets").setLevel(logging.WARNING)
    try:
        config = configuration.load(path)
        uvloop.run(serve(config, str(path), Lifeline.from_environment()))
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
