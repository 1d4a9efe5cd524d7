from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from bench.browser import devtools
from bench.browser.devtools import BrowserError, Control, Page

Answer = Callable[[dict[str, Any]], list[dict[str, Any]]]


def answer(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages that the page of this test sends when it is asked."""
    number, parameters = asked["id"], asked["params"]
    if asked["method"] != "Runtime.evaluate":
        return [{"id": number, "result": {"asked": asked["method"]}}]
    known: dict[str, dict[str, Any]] = {
        "1 + 1": {"result": {"type": "number", "value": 2}},
        "x": {"result": {}, "exceptionDetails": {"text": "Uncaught", "exception": {"description": "x is not defined"}}},
    }
    if parameters["expression"] == "y":
        return [{"id": number, "error": {"message": "no such page"}}]
    return [
        {"method": "Log.entryAdded", "params": {"entry": {"level": "error", "source": "network", "text": "404"}}},
        {"method": "Network.requestWillBeSent", "params": {"request": {"url": "http://127.0.0.1:1/"}}},
        {"id": number, "result": known[parameters["expression"]]},
    ]


@pytest.fixture
def address() -> Iterator[str]:
    """The address of a control that answers as `answer` does, and falls silent when it is asked to."""
    def handle(connection: ServerConnection) -> None:
        for text in connection:
            if json.loads(text)["method"] == "Silence":
                continue
            if json.loads(text)["method"] == "End":
                return
            for message in answer(json.loads(text)):
                connection.send(json.dumps(message))

    with serve(handle, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        server.shutdown()
        thread.join()


def test_a_call_returns_its_answer_and_notes_the_events_before_it(address: str) -> None:
    page = Page(address)
    assert page.value("1 + 1") == 2
    assert page.requested == ["http://127.0.0.1:1/"]
    assert [each["text"] for each in page.complaints] == ["404"]
    page.close()


@pytest.mark.parametrize(("expression", "said"), [("x", "x is not defined"), ("y", "no such page")])
def test_what_is_thrown_and_what_is_refused_is_an_error(address: str, expression: str, said: str) -> None:
    page = Page(address)
    with pytest.raises(BrowserError, match=said):
        page.value(expression)
    assert page.value("1 + 1") == 2
    page.close()


def test_a_browser_that_is_silent_or_gone_is_an_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devtools, "PATIENCE_S", 0.05)
    for method in ("Silence", "End"):
        with Control(address) as control, pytest.raises(BrowserError, match=f"{method}: the browser did not answer"):
            control.ask(method)


def test_nobody_at_the_address_is_an_error() -> None:
    with pytest.raises(BrowserError, match="does not answer at ws://127"):
        Control("ws://127.0.0.1:1/")
