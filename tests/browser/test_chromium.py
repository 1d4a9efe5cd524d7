from __future__ import annotations

import os
from pathlib import Path

import pytest
from marked import Mark

from bench.browser import chromium
from bench.browser.chromium import ABSENT, NAMES
from bench.browser.devtools import BrowserError


def test_it_is_found_by_any_of_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chromium.found() is None
    for name in reversed(NAMES):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert chromium.found() == str(tmp_path / name)


def test_only_root_does_without_its_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for user, without in ((0, True), (1000, False)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        assert ("--no-sandbox" in chromium.command("chromium", tmp_path)) == without


@pytest.mark.process
def test_one_that_ends_at_once_is_an_error_with_its_words(tmp_path: Path) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display; exit 3\n")
    broken.chmod(0o755)
    with (pytest.raises(BrowserError, match=r"ended with status 3: no display"),
          chromium.started(str(broken), tmp_path / "profile")):
        pass


@pytest.mark.real
@pytest.mark.process
def test_pages_keep_apart_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    path = chromium.found()
    if path is None:
        pytest.skip(ABSENT)
    mark = Mark()
    with chromium.started(path, tmp_path / "profile", mark.environment) as browser:
        pages = [browser.page() for _ in range(3)]
        assert [page.value(f"window.number = {number}") for number, page in enumerate(pages)] == [0, 1, 2]
        assert [page.value("window.number") for page in pages] == [0, 1, 2]
        assert [page.value("document.visibilityState") for page in pages] == ["visible"] * 3
        assert mark.alive()
        lock = (tmp_path / "profile" / "SingletonSocket").readlink().parent
        assert lock.is_dir()
    assert mark.left_after() == []
    assert not lock.exists()
