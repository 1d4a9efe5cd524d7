from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from bench import transports
from bench.load.browser.site import PageSite, files


def get(address: str) -> tuple[dict[str, str], bytes]:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return dict(answer.headers), answer.read()


@pytest.mark.parametrize("name", transports.own_names())
def test_the_page_has_all_that_it_imports_and_is_isolated(name: str) -> None:
    client = transports.describe(name).live
    assert client is not None
    with PageSite(client, 0) as site:
        for path, (kind, body) in files(client).items():
            headers, found = get(site.address + path[1:])
            assert (found, headers["Content-Type"]) == (body, kind)
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(f"{site.address}other.js")
        assert get(f"{site.address}client.js")[1] == client.read_bytes()
    with pytest.raises(OSError, match=r"refused"):
        get(site.address)
