"""A locustfile as they are usually written: a greenlet a connection, `websocket-client`, an event an update.

It is what `generator.py` is compared with. It keeps (due, seen) of every update and writes them, raw
int64 pairs, to `HABIT_OUT` when the test stops; the address comes from `HABIT_URL`.
"""

from __future__ import annotations

import json
import os
import time
from array import array
from pathlib import Path

import websocket
from locust import User, events, task

ORIGIN_NS = int(os.environ["HABIT_ORIGIN_NS"])
seen = array("q")


class HabitUser(User):
    """One connection, read by its own greenlet."""

    def on_start(self):
        self.connection = websocket.create_connection(os.environ["HABIT_URL"], suppress_origin=True)

    @task
    def receive(self):
        message = json.loads(self.connection.recv())
        now_ns = time.monotonic_ns() - ORIGIN_NS
        if "due_ns" not in message:
            return
        seen.extend((message["due_ns"], now_ns))
        self.environment.events.request.fire(
            request_type="WS", name="update", response_time=(now_ns - message["due_ns"]) / 1e6,
            response_length=0, exception=None, context={},
        )


@events.test_stop.add_listener
def write(**_):
    with Path(os.environ["HABIT_OUT"]).open("wb") as file:
        seen.tofile(file)
