"""Common locustfiles, with which our load generator is compared; `BASELINE` names one of them.

- `updates`: one greenlet per connection, `websocket-client`, one Locust event per update. Keeps (due, seen)
  of every update and writes them, raw int64 pairs, to `BASELINE_OUT` when the test stops.
- `handshakes`: `websocket-client` connects, reads the first message and closes, over and over.
- `HttpUser`, `FastHttpUser`: poll and parse the response's JSON, over and over.

The address comes from `BASELINE_URL`.
"""

from __future__ import annotations

import json
import os
import time
from array import array
from pathlib import Path

import websocket
from locust import FastHttpUser, HttpUser, User, events, task

KIND = os.environ["BASELINE"]
URL = os.environ["BASELINE_URL"]
ORIGIN_NS = int(os.environ.get("BASELINE_ORIGIN_NS", "0"))
seen = array("q")


class UpdatesUser(User):
    """One connection, read by its own greenlet."""

    def on_start(self):
        self.connection = websocket.create_connection(URL, suppress_origin=True)

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


class HandshakesUser(User):
    """One connection after the other."""

    @task
    def connect(self):
        connection = websocket.create_connection(URL, suppress_origin=True)
        json.loads(connection.recv())
        connection.shutdown()


class HttpPollsUser(HttpUser):
    """Polls with requests."""

    host = URL

    @task
    def poll(self):
        self.client.get("/ticks?after=bench:1", name="poll").json()


class FastPollsUser(FastHttpUser):
    """Polls with geventhttpclient."""

    host = URL

    @task
    def poll(self):
        self.client.get("/ticks?after=bench:1", name="poll").json()


for kind, found in {
    "updates": UpdatesUser, "handshakes": HandshakesUser, "HttpUser": HttpPollsUser,
    "FastHttpUser": FastPollsUser,
}.items():
    found.abstract = kind != KIND
del found


@events.test_stop.add_listener
def write(**_):
    if "BASELINE_OUT" in os.environ:
        with Path(os.environ["BASELINE_OUT"]).open("wb") as file:
            seen.tofile(file)
