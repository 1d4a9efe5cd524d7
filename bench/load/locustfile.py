"""The entry for Locust: `TICKERTAPE_LOAD=config.json locust -f bench/load/locustfile.py`.

A trial's runner starts it with `--headless`, by `python -m bench.load`, which keeps Locust's other settings
out, and speaks with it over its lifeline; started by hand with
a configuration that has a port and no folder, Locust's web interface shows live numbers for as long as
one likes. The configuration (`bench/load/config.py`) picks the transport, and with it the one user class
that Locust finds here; it also sets the number of users and the spawn rate, which the web interface
offers to change.
"""

from __future__ import annotations

import sys
from typing import Any

from locust import events
from locust.env import Environment
from locust.runners import MasterRunner

from bench.errors import UserError
from bench.lifeline import Lifeline
from bench.load import config as configuration
from bench.load.session import Session
from bench.load.users import TransportUser, user_class

try:
    config = configuration.load()
except UserError as error:
    sys.exit(str(error))

# Under its own name, which is how Locust lists and counts it.
globals().update({found.__name__: found for found in [user_class(config.transport)]})


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def finish(environment: Environment, **_: Any) -> None:
    """Add what came since the last time, so that a worker's last report to its master is complete."""
    if not isinstance(environment.runner, MasterRunner):
        TransportUser.session.show()


@events.init.add_listener  # type: ignore[untyped-decorator]
def prepare(environment: Environment, **_: Any) -> None:
    """Set up the process's session before the first user is spawned."""
    if environment.parsed_options is not None:
        environment.parsed_options.num_users = len(config.numbers)
        environment.parsed_options.spawn_rate = config.spawn_rate_per_s
    if isinstance(environment.runner, MasterRunner):
        return   # its workers have the users
    TransportUser.session = Session.open(config, environment, Lifeline.from_environment())
