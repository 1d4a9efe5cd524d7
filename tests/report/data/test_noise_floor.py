"""A/A: one server under two names sets the floor below which nothing is claimed of any others."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from manifests import manifest_of
from scipy import stats
from synthetic import Made, Plan, make_run

from bench.report import RunData, open_run
from bench.report.data.noise_floor import NoiseFloor, floor_under, floors, resimulated
from bench.report.tables.run import sections
from bench.report.text.findings import QUESTIONS, findings, floor_sentences, floor_text
from bench.stats.run.comparison import Comparison, comparisons
from bench.stats.run.intervals import Effect, Interval, effect, holm

COLUMNS = [question.column for question in QUESTIONS]
NOISY = Made(trial_effect=0.1, noise_seed=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """WebSocket twice, one that is a little slower than the machine can tell, and polling."""
    subjects = {
        "websocket": NOISY, "websocket_again": replace(NOISY, noise_seed=2),
        "polling": Made("short_polling", interval_s=0.5, header_bytes=180, noise_seed=3),
    }
    plan = Plan(subjects=subjects, trials=6, clients=(30,))
    return open_run(make_run(tmp_path_factory.mktemp("runs") / "aa", plan))


def compared(kind: str, *bounds: float, p: float = 0.001, names: tuple[str, str] = ("a", "b"),
             figure: str = "latency_p50_ms", clients: int = 10) -> Comparison:
    return Comparison(figure, clients, *names, Effect(kind, Interval(*bounds, 5), p, p))


def test_twins_have_the_same_transport_and_options() -> None:
    def found(asked: dict[str, dict[str, object]]) -> list[tuple[str, str]]:
        manifest = manifest_of({"question": "?", "transports": asked})
        return resimulated(RunData(Path(), manifest, *[None] * 4))   # type: ignore[arg-type]

    again = {"transport": "websocket"}
    polling = {"transport": "short_polling"}
    assert found({"websocket": {}, "again": again, "polling": polling}) == [("websocket", "again")]
    assert found({"websocket": {}, "again": {**again, "ping_interval_s": 3.0}}) == []
    own = {"command": ["x"], "ready": "http://127.0.0.1:{port}/health"}
    assert found({"websocket": {}, "again": {**again, "server": own}}) == []
    # A default that one of them writes out is no difference.
    assert found({"websocket": {}, "again": {**again, "ping_interval_s": 20.0}}) == [("websocket", "again")]
    assert len(found({"websocket": {}, "again": again, "third": again})) == 3


@pytest.mark.parametrize(("comparison", "size", "text"), [
    (compared("ratio", 1.02, 0.96, 1.08), 1.08, "8.00 %"), (compared("ratio", 1.0, 0.8, 1.1), 1.25, "25.0 %"),
    (compared("difference", 0.1, -0.4, 0.2), 0.4, "0.400 ms"),
    (compared("ratio", 1.0, math.nan, math.nan), math.nan, "– %"),
])
def test_the_floor_is_the_farther_bound(comparison: Comparison, size: float, text: str) -> None:
    floor = NoiseFloor(comparison)
    assert floor.size == pytest.approx(size, nan_ok=True)
    assert floor_text(floor, QUESTIONS[0]) == text


def test_what_lies_below_the_floor_is_hidden_and_nothing_else() -> None:
    found = [NoiseFloor(compared("ratio", 1.02, 0.96, 1.08)), NoiseFloor(compared("ratio", 1.0, 0.9, 1.2))]
    other = ("a", "c")
    assert floor_under(compared("ratio", 1.1, 1.09, 1.11, names=other), found) == found[1]
    assert floor_under(compared("ratio", 1.25, 1.1, 1.4, names=other), found) is None
    assert floor_under(compared("ratio", 1.1, 1.09, 1.11, names=other, clients=20), found) is None
    assert floor_under(compared("ratio", 1.1, 1.09, 1.11, names=other, figure="age_mean_ms"), found) is None
    assert floor_under(compared("difference", 0.1, 0.1, 0.1, names=other), found) is None
    assert floor_under(found[0].comparison, found) is None   # twins are told as they are
    unknown = NoiseFloor(compared("ratio", 1, math.nan, math.nan))
    assert floor_under(compared("ratio", 1.1, 1, 2, names=other), [unknown]) is None


def test_every_figure_has_a_floor_and_the_report_prints_it(run: RunData) -> None:
    found = floors(run, COLUMNS)
    assert [floor.comparison.figure for floor in found] == COLUMNS
    assert all(floor.size >= 1 for floor in found)
    table = next(each for each in sections(run) if each.name == "claimable")
    assert [row[0] for row in table.rows] == [question.noun for question in QUESTIONS]
    sentence, = floor_sentences(run)
    assert sentence.startswith("Smallest difference that this machine can claim (WebSocket against WebSocket "
                               "again, the same server twice, 30 clients): median latency ")
    assert sentence.count("%") == len(QUESTIONS)


def test_polling_is_told_from_push_above_the_floor(run: RunData) -> None:
    p50 = findings(run)[0]
    assert "short" not in p50.lead
    polling = next(sentence for sentence in p50.rest if sentence.startswith("polling"))
    assert "separable (p < 0.001)" in polling
    assert "WebSocket" in p50.lead
    assert "cannot be separated" in p50.lead


def test_a_sure_difference_below_the_floor_names_no_winner(run: RunData) -> None:
    trials = run.trials.copy()
    best = trials["transport"] == "websocket"
    polls = trials["transport"] == "polling"
    factors = np.linspace(1.009, 1.011, int(best.sum()))
    trials.loc[polls, "server_cpu_us_per_update"] = (
        trials.loc[best].sort_values("block")["server_cpu_us_per_update"].to_numpy() * factors
    )[np.argsort(np.argsort(trials.loc[polls, "block"].to_numpy()))]
    changed = RunData(run.folder, run.manifest, trials, run.summary, run.distributions, run.timelines)
    pair = next(each for each in comparisons(trials, "server_cpu_us_per_update", run.transports)
                if {each.mine, each.theirs} == {"polling", "websocket"})
    assert pair.effect.separable
    comparison_rows = next(each for each in sections(changed) if each.name == "comparisons").rows
    verdicts = [row[-1] for row in comparison_rows if row[0] == "server CPU per update"]
    assert any(verdict.startswith("separable (p < 0.001); not claimable on this machine, where ")
               for verdict in verdicts)
    lead = next(each.lead for each in findings(changed) if each.question.column == "server_cpu_us_per_update")
    assert re.search("polling.* cannot be separated", lead)


def test_without_twins_nothing_is_said(tmp_path: Path) -> None:
    alone = open_run(make_run(tmp_path / "run", Plan(trials=2, clients=(10,))))
    assert floors(alone, COLUMNS) == []
    assert floor_sentences(alone) == []
    assert "claimable" not in [each.name for each in sections(alone)]


def aa_figures(replications: int, blocks: int, subjects: int, seed: int) -> np.ndarray:
    """Return p99 of 400 updates of each trial of made-up runs: (replication, block, subject).

    A block's effect is common to its trials, a trial's to its updates; the subjects don't differ.
    """
    rng = np.random.default_rng(seed)
    block = rng.lognormal(0, 0.3, (replications, blocks, 1))
    trial = rng.lognormal(0, 0.06, (replications, blocks, subjects))
    updates = rng.lognormal(0, 0.5, (replications, blocks, subjects, 400))
    return block * trial * np.partition(updates, 395, axis=-1)[..., 395]


@pytest.mark.parametrize("blocks", [3, 5, 8])
def test_false_alarms_are_as_frequent_as_claimed(blocks: int) -> None:
    replications = 2500
    figures = aa_figures(replications, blocks, 2, seed=blocks)
    alarms = sum(effect(pair[:, 0], pair[:, 1]).p < 0.05 for pair in figures)
    low, high = stats.binom.interval(0.999, replications, 0.05)
    assert low <= alarms <= high


def test_nothing_is_claimed_of_four_alike_more_often_than_in_5_of_100_runs() -> None:
    replications = 1500
    alarms = hidden = 0
    for run_ in aa_figures(replications, 5, 4, seed=4):
        effects = [effect(run_[:, one], run_[:, other]) for one in range(4) for other in range(one)]
        corrected = holm([each.p for each in effects])
        alarms += min(corrected) < 0.05
        # The first two are the same under two names; the others might be claimed to differ.
        floor = NoiseFloor(Comparison("p99", 1, "0", "1", effects[0]))
        hidden += any(p < 0.05 and floor.hides(Comparison("p99", 1, "2", "3", each))
                      for p, each in zip(corrected[1:], effects[1:], strict=True))
    assert alarms <= stats.binom.ppf(0.999, replications, 0.05)
    assert 0 < hidden <= alarms
