"""The live page's service: it serves the page under a strict policy, and obeys nobody but the page."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from bench import transports
from bench.experiment.live import site
from bench.experiment.live.config import LiveConfig, LiveServer, LiveSubject
from bench.measure import host

OWN = transports.own_names()
Ask = Callable[..., Awaitable[tuple[int, Any, Any]]]


def served(law: Callable[[Ask, str], Awaitable[None]]) -> None:
    """Call `law` with a function that asks the site, and the site's origin."""
    async def run() -> None:
        port = host.free_port()
        subjects = tuple(LiveSubject(label=name, title=name, transport=name, servers=(LiveServer(port=1, flush_ms=0.0),
                                     LiveServer(port=2, flush_ms=9.0))) for name in OWN)
        config = LiveConfig(port=port, clock_origin_ns=0, feed="a feed", subjects=subjects)
        origin = f"http://127.0.0.1:{port}"
        async with site.Site(config), aiohttp.ClientSession() as session:
            async def ask(path: str, method: str = "GET", **headers: str) -> tuple[int, Any, Any]:
                async with session.request(method, origin + path, headers=headers) as answer:
                    is_json = answer.content_type == "application/json"
                    return answer.status, answer.headers, await (answer.json() if is_json else answer.text())
            await law(ask, origin)
    asyncio.run(run())


def test_each_file_that_the_page_names_is_there_under_the_policy() -> None:
    async def law(ask: Ask, _: str) -> None:
        status, headers, page = await ask("/")
        assert status == 200
        assert headers["Content-Security-Policy"] == site.POLICY
        assert "unsafe" not in site.POLICY
        named = [f"/{name}" for name in re.findall(r'(?:src|href)="([^"]+)"', page)]
        imported = [f"/{name}" for path in named if path.endswith(".js")
                    for name in re.findall(r'from "\./([^"]+)"', (await ask(path))[2])]
        modules = [each["module"] for each in (await ask("/live.json"))[2]["subjects"]]
        assert len(named) == 3
        assert len(modules) == len(OWN)
        for path in (*named, *imported, *modules):
            status, headers, _ = await ask(path)
            assert status == 200, path
            assert headers["Content-Security-Policy"] == site.POLICY
            assert headers["Content-Type"].split(";")[0] in site.TYPES.values()
        assert (await ask("/nosuch"))[0] == 404
        assert (await ask("/../site.py"))[0] == 404
    served(law)


@pytest.mark.parametrize(("method", "path", "headers", "status"), [
    ("GET", "/", {"Host": "rebound.example"}, 421), ("POST", "/tabs", {}, 403),
    ("POST", "/tabs", {"Origin": "https://other.example"}, 403), ("GET", "/tabs/nosuch", {}, 404),
    ("PUT", "/live.json", {}, 403),
])
def test_others_are_refused(method: str, path: str, headers: dict[str, str], status: int) -> None:
    async def law(ask: Ask, _: str) -> None:
        assert (await ask(path, method, **headers))[0] == status
    served(law)


def test_a_tab_has_relays_of_its_own_which_it_cuts_and_switches() -> None:
    async def law(ask: Ask, origin: str) -> None:
        one, other = [(await ask("/tabs", "POST", Origin=origin))[2] for _ in range(2)]
        assert len({*one["ports"], *other["ports"]}) == 2 * len(OWN)
        own = f"/tabs/{one['tab']}"
        assert (await ask(f"{own}/0/cut?s=5", "POST", Origin=origin))[0] == 200
        assert (await ask(f"{own}/1/server?n=1", "POST", Origin=origin))[0] == 200
        status, _, counts = await ask(own)
        assert status == 200
        assert 0 < counts["relays"][0]["cut_s"] <= 5
        assert [each["server"] for each in counts["relays"][:2]] == [0, 1]
        status, _, counts = await ask(f"/tabs/{other['tab']}")
        assert [each["cut_s"] for each in counts["relays"]] == [0] * len(OWN)
        for wrong in ("0/cut?s=31", "0/cut?s=nan", "0/cut", "0/server?n=2"):
            status, _, said = await ask(f"{own}/{wrong}", "POST", Origin=origin)
            assert (status, "allowed is a number" in said) == (400, True)
        assert (await ask(f"{own}/{len(OWN)}/cut?s=1", "POST", Origin=origin))[0] == 404
    served(law)


def test_the_oldest_tabs_relays_are_closed_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "TABS_MAX", 2)

    async def law(ask: Ask, origin: str) -> None:
        tabs = [(await ask("/tabs", "POST", Origin=origin))[2]["tab"] for _ in range(3)]
        assert [(await ask(f"/tabs/{tab}"))[0] for tab in tabs] == [404, 200, 200]
    served(law)
