"""The finding on round trips: it follows from the records alone, and comes first where clients send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bench.report import RunData
from bench.report.pages import run as pages
from bench.report.text import round_trips
from bench.stats.run.summary import summarise
from bench.stats.trial.uplinks import COLUMNS

Made = Callable[[pd.DataFrame], pd.Series]


def twice(trials: pd.DataFrame) -> pd.Series:
    """Return round trips of twice the latency."""
    return 2 * trials["latency_p50_ms"]


def sending(run: RunData, messages: float = 700.0, median: Made = twice) -> RunData:
    """Return the run as if its clients had sent: the round trips of each trial follow from its own figures."""
    sent = {name: np.full(len(run.trials), messages) for name in COLUMNS}
    trips = {"round_trip_p50_ms": median(run.trials), "round_trip_p99_ms": 3 * run.trials["latency_p90_ms"]}
    trials = run.trials.assign(**{**sent, **trips})
    return replace(run, trials=trials, summary=summarise(trials, run.transports))


def exchanged(text: str) -> str:
    """Return the text with two transports' names exchanged."""
    return text.replace("WebSocket", "@").replace("long polling", "WebSocket").replace("@", "long polling")


def test_the_report_of_a_run_whose_clients_send_begins_with_the_round_trip_and_goes_on_as_any_other(
    run: RunData,
) -> None:
    told, before = pages.answer_text(sending(run)), pages.answer_text(run)
    first = round_trips.answer(sending(run))
    assert first.startswith("Median round trip: ")
    assert " times as much" in first
    assert told == f"{first} {before}"


def test_where_clients_only_listen_nothing_is_said(run: RunData) -> None:
    assert round_trips.answer(run) == ""
    assert round_trips.lines(run) == []


def test_whoever_has_the_records_has_the_shorter_round_trip(run: RunData, swapped: RunData) -> None:
    told, of_swapped = round_trips.answer(sending(run)), round_trips.answer(sending(swapped))
    assert "WebSocket" in told
    assert exchanged(told) == of_swapped != told


def test_what_cannot_be_separated_ties(run: RunData) -> None:
    def noise(trials: pd.DataFrame) -> pd.Series:
        return pd.Series(np.random.default_rng(3).uniform(2.0, 2.1, len(trials)), trials.index)

    told = round_trips.answer(sending(run, median=noise))
    assert told.endswith(" tie.")
    assert "times as much" not in told


@pytest.mark.parametrize(("messages", "is_shown"), [(700.0, True), (7.0, False)])
def test_the_99th_percentile_is_shown_where_enough_messages_determine_it(
    run: RunData, messages: float, is_shown: bool
) -> None:
    told = round_trips.lines(sending(run, messages))
    assert [line.partition(":")[0] for line in told] == ["P99 round trip"] * is_shown
    assert pages._finding_lines(sending(run, messages)) == told


def test_a_round_trip_that_never_ended_is_lost(run: RunData) -> None:
    def lost(trials: pd.DataFrame) -> pd.Series:
        return trials["latency_p50_ms"].where(trials["transport"] != "short_polling", np.inf)

    assert "short polling lost" in round_trips.answer(sending(run, median=lost))
