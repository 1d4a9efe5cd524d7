"""Importing Locust patches the standard library, so this runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

SCRIPT = """
import locust
from bench import transports
from bench.load.users import TransportUser, user_class

classes = {name: user_class(name) for name in transports.names()}
assert classes["short_polling"].__name__ == "ShortPollingUser"
assert classes["websocket"].__doc__ == "A client that speaks websocket."
assert len(set(classes.values())) == len(classes)
assert TransportUser.abstract
for found in classes.values():
    assert issubclass(found, TransportUser) and not found.abstract and len(found.tasks) == 1
"""


def test_each_transport_has_a_user_class_of_its_own() -> None:
    subprocess.run([sys.executable, "-P", "-c", SCRIPT], check=True, timeout=60)
