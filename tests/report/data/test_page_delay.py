"""A page beside our own clients: paired by all but the client, compared within blocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import Made, Plan, make_run

from bench.report import RunData, open_run
from bench.report.data.page_delay import FIGURES, MEDIAN, PagePair, delays, pairs_of

PAGE = (("client", "browser"),)
SUBJECTS = {
    "websocket": Made(delay_s=0.001), "long_polling": Made("long_polling", delay_s=0.002),
    "websocket_browser": Made(delay_s=0.003, options=PAGE),
    "long_polling_browser": Made("long_polling", delay_s=0.007, options=PAGE),
}
PLAN = Plan(trials=4, clients=(10, 30), subjects=SUBJECTS)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    return open_run(make_run(tmp_path_factory.mktemp("runs") / "pages", PLAN))


def test_a_pair_differs_in_its_client_alone(run: RunData) -> None:
    assert pairs_of(run) == [PagePair("websocket", "websocket_browser"),
                             PagePair("long_polling", "long_polling_browser")]


def test_a_page_with_another_option_or_server_is_no_counterpart(tmp_path: Path) -> None:
    other = (*PAGE, ("server", "bare"))
    alone = replace(PLAN, trials=1, clients=(10,), subjects={
        "websocket": Made(), "websocket_browser": Made(options=other),
        "slow": Made("short_polling"), "slow_browser": Made("short_polling", interval_s=0.5, options=PAGE)})
    assert pairs_of(open_run(make_run(tmp_path / "alone", alone))) == []


def test_what_a_page_adds_is_the_difference_within_blocks(run: RunData) -> None:
    found = delays(run)
    assert [(each.figure, each.clients, each.pair.ours) for each in found] == [
        (figure, clients, label) for figure in FIGURES for clients in (10, 30)
        for label in ("websocket", "long_polling")]
    for each in found:
        cells = [run.valid[(run.valid["transport"] == label) & (run.valid["clients"] == each.clients)]
                 for label in (each.pair.ours, each.pair.page)]
        ours, page = (cell.sort_values("block")[each.figure].to_numpy() for cell in cells)
        assert each.added.estimate == pytest.approx(np.mean(page - ours))
        assert each.added.low < each.added.estimate < each.added.high
    medians = {each.pair.ours: each.added.estimate for each in found if (each.figure, each.clients) == (MEDIAN, 10)}
    assert medians["websocket"] == pytest.approx(2.0, rel=0.3)      # made 2 ms and 5 ms slower
    assert medians["long_polling"] == pytest.approx(5.0, rel=0.3)


def test_what_is_lost_has_no_difference(run: RunData) -> None:
    there = run.trials["transport"] != "websocket_browser"
    lost = run.trials.assign(**{MEDIAN: run.trials[MEDIAN].where(there, np.inf)})
    found = [each for each in delays(replace(run, trials=lost)) if each.figure == MEDIAN]
    assert [np.isnan(each.added.estimate) for each in found] == [True, False] * 2
