"""Two runs are compared if they are alike, and a server that became more expensive is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from manifests import COSTS, manifest_of, merged, simulated
from synthetic import DEFAULT, Plan, make_run

from bench.errors import RunError
from bench.report.pages import compare as comparing
from bench.report.pages.compare import as_json, change_text, compare, rows, summary
from bench.stats.run.intervals import Effect, Interval
from bench.stats.run.regressions import FIGURES, Change

PLAN = Plan(trials=5, clients=(30,))
CLAIMS = {"it": {"says": "A number.", "source": "Somebody", "stated": [1.0], "unit": "ms", "formula": "value",
                 "subject": "websocket", "column": "latency_mean_ms", "tolerance": 0.1}}
ASKED: dict[str, Any] = {"question": "?", "transports": {"websocket": {}}}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "before", PLAN, raw=False)


@pytest.fixture(scope="module")
def expensive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second run of the scenario, with noise of its own, and a WebSocket server that burns 20 % more per update."""
    subjects = {label: replace(made, noise_seed=9) for label, made in DEFAULT.items()}
    subjects["websocket"] = replace(subjects["websocket"], cpu_us=1.2 * DEFAULT["websocket"].cpu_us)
    return make_run(tmp_path_factory.mktemp("runs") / "expensive", replace(PLAN, subjects=subjects), raw=False)


@pytest.fixture
def changed(before: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of `before` whose manifest is changed."""
    def change(**fields: Any) -> Path:
        copy = Path(shutil.copytree(before, tmp_path / "copy"))
        manifest = json.loads((copy / "manifest.json").read_text())
        (copy / "manifest.json").write_text(json.dumps(merged(manifest, fields)))
        return copy

    return change


def test_a_run_has_not_changed_against_itself(before: Path) -> None:
    found = compare(before, before)
    assert found.regressed == []
    assert len(found.changes) == 3 * len(FIGURES)
    assert summary(found).startswith("Nothing has become worse by more than 5 %")
    assert list(rows(found)) == ["short polling, 30 clients", "long polling, 30 clients",
                                 "WebSocket, 30 clients"]
    assert {row[-1] for cell in rows(found).values() for row in cell} == {"no change"}


def test_a_server_that_burns_a_fifth_more_is_named(before: Path, expensive: Path) -> None:
    found = compare(before, expensive)
    assert [(each.label, each.figure) for each in found.regressed] == [
        ("websocket", "server_cpu_us_per_update")]
    told = summary(found)
    assert told.startswith("Regressed: server_cpu_us_per_update (WebSocket, 30 clients: +")
    plain = json.loads(json.dumps(as_json(found)))
    assert plain["regressed"] == ["server_cpu_us_per_update"]
    assert sum(each["verdict"] == "regressed" for each in plain["changes"]) == 1
    assert compare(expensive, before).regressed == []


def test_a_high_threshold_lets_it_pass(before: Path, expensive: Path) -> None:
    assert compare(before, expensive, threshold=0.5).regressed == []


@pytest.mark.parametrize(("fields", "sentence"), [
    ({"host": {"cpu_model": "another"}}, "host.cpu_model: None and another"),
    ({"scenario": {"seed": 2}}, "seed: 1 and 2"),
    ({"subjects": {"websocket": {"options": {"ping_s": 3}}}}, "transports.websocket.ping_s: None and 3"),
    ({"feed_file": {"file": "x.csv", "sha256": "c0ffee"}}, "the feed file's content: None and c0ffee"),
])
def test_runs_that_are_not_alike_are_refused_unless_told(
    before: Path, changed: Callable[..., Path], fields: dict[str, Any], sentence: str
) -> None:
    other = changed(**fields)
    with pytest.raises(RunError, match=sentence):
        compare(before, other)
    found = compare(before, other, force=True)
    assert any(sentence in each for each in found.unlike)
    assert found.regressed == []


def test_simulated_is_not_like_measured(before: Path, changed: Callable[..., Path]) -> None:
    """Or figures that nobody measured would pass for a change."""
    with pytest.raises(RunError, match="source: measured and simulated"):
        compare(before, changed(source="simulated", costs=COSTS))


@pytest.mark.parametrize(("other", "notes"), [
    ("box", ()), ("boy", ("simulated with costs measured on box, and with costs measured on boy",))])
def test_other_costs_are_told(other: str, notes: tuple[str, ...]) -> None:
    """Two simulated runs may be compared, with a word on what the differences may come from."""
    both = [manifest_of(ASKED, **simulated(description=f"costs measured on {name}")) for name in ("box", other)]
    assert tuple(comparing._other_costs(*both)) == notes
    assert not list(comparing._other_costs(manifest_of(ASKED), both[0]))


@pytest.mark.parametrize("fields", [
    {"versions": {"python": "3.14.0"}, "commit": "c0ffee"}, {"host": {"load_average": [9]}},
    {"scenario": {"question": "Another?", "trials": {"count": 9}}},
    {"scenario": {"feed": {"schedule": "poisson", "rate_per_s": 40.0, "symbols": 4, "book_levels": 0}}},
    {"scenario": {"feed": {"schedule": "poisson", "rate_per_s": 40.0, "symbols": 4, "replay": {"speed": 9}}}},
    {"scenario": {"simulation": {"full_at": 0.5}, "claims": CLAIMS}},
])
def test_what_may_differ_is_let_pass(
    before: Path, changed: Callable[..., Path], fields: dict[str, Any]
) -> None:
    found = compare(before, changed(**fields))
    assert found.unlike == ()
    *notes, host_speed = found.notes
    assert notes == (["versions.python: 3.11.0 and 3.14.0"] if "versions" in fields else [])
    assert host_speed.startswith("host speed: a fixed spin took 60.3 µs")


def test_what_is_simulated_depends_on_more() -> None:
    one, other = (manifest_of(ASKED | {"simulation": {"workers": workers}}, **simulated()) for workers in (1, 2))
    assert list(comparing._unlike(one, other)) == ["simulation.workers: 1 and 2"]


def test_a_replayed_file_is_known_by_its_content() -> None:
    replayed = [
        manifest_of(ASKED | {"feed": {"schedule": "replay", "replay": {"file": place}}},
                    feed_file={"file": place, "sha256": "c0ffee"})
        for place in ("here.csv", "there.csv")]
    assert list(comparing._unlike(*replayed)) == []


def test_the_hosts_memory_may_differ_by_a_little() -> None:
    manifests = [manifest_of(ASKED, host={"memory_bytes": size}) for size in (10_000_000, 10_100_000, 10_300_000)]
    assert list(comparing._unlike(manifests[0], manifests[1])) == []
    assert list(comparing._unlike(manifests[0], manifests[2])) == [
        "host.memory_bytes: 10000000 and 10300000"]


def test_too_few_trials_are_refused(tmp_path: Path) -> None:
    short = make_run(tmp_path / "short", replace(PLAN, trials=1))
    with pytest.raises(RunError, match="no cell has two valid trials in both"):
        compare(short, short)


def ratio(*bounds: float) -> Effect:
    return Effect("ratio", Interval(*bounds, 10), 0.01, 0.01)


@pytest.mark.parametrize(("change", "text"), [
    (Change("a", 1, "latency_mean_ms", 1, 1.2, ratio(1.2, 1.1, 1.3)), "+20.0 % (+10.0 to +30.0)"),
    (Change("a", 1, "latency_mean_ms", 1, 0.9, ratio(0.9, 0.8, 1.0)), "−10.0 % (−20.0 to 0.0)"),
    (Change("a", 1, "x", 1, 3, Effect("difference", Interval(2, -1, 5, 8), 0.1)), "+2.0 (−1.0 to +5.0)"),
    (Change("a", 1, "x", 1, 3, Effect("difference", Interval(2, -1, 5, 5), 0.1)), "+2.0 (n = 5)"),
    (Change("a", 1, "lost_share", 0, 0.1, Effect("difference", Interval(0.1, 0, 0.2, 8), 0.1)),
     "+10.0 points (0.0 to +20.0)"),
    (Change("a", 1, "x", 1, 1, ratio(1.1, float("nan"), float("nan"))), "+10.0 %"),
    (Change("a", 1, "x", 1, float("nan"), ratio(*[float("nan")] * 3)), "–"),
    (Change("a", 1, "x", 1, float("nan"), ratio(*[float("nan")] * 3), vanished=True),
     "fewer than two valid trials now"),
])
def test_a_change_in_words(change: Change, text: str) -> None:
    assert change_text(change) == text


def test_the_page_has_the_sentence_the_figure_and_every_change(before: Path, expensive: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(expensive, tmp_path / "after"))
    found = compare(before, copy)
    path = comparing.write(found)
    assert path == copy / "compared" / "before" / "report.html"
    html, markdown = path.read_text(), path.with_suffix(".md").read_text()
    assert "<svg" in html
    assert summary(found) in markdown
    assert markdown.count(" | regressed |") == 1
    assert markdown.count("| no change |") + markdown.count("| improved |") == len(found.changes) - 1
    assert compare(before, copy).changes == found.changes   # the page is no part of the run
