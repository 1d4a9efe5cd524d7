"""Speed of the host: a run's pace, its drift, and silence where nothing was recorded."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from bench.stats.run.host_speed import by_trial, speed


def trials(*spins: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(spins, columns=["probe_spin_before_us", "probe_spin_after_us"])


def test_a_trial_is_as_fast_as_its_two_spins_and_a_run_as_its_median_trial() -> None:
    found = speed(trials((60, 62), (58, 60), (70, 90)))
    assert found is not None
    assert (found.median_us, found.low_us, found.high_us) == (61, 59, 80)
    assert math.isnan(found.drift)
    assert not found.drifted


@pytest.mark.parametrize(("last", "drifted"), [(60.0, False), (65.0, False), (72.0, True), (50.0, True)])
def test_a_host_that_ends_slower_or_faster_has_drifted(last: float, drifted: bool) -> None:
    found = speed(trials(*[(60.0, 60.0)] * 4, *[(last, last)] * 2))
    assert found is not None
    assert found.drift == pytest.approx(last / 60)
    assert found.drifted is drifted


def test_what_was_not_recorded_is_not_known() -> None:
    assert speed(pd.DataFrame({"trial": ["a"]})) is None
    assert speed(trials((math.nan, 60.0))) is None
    assert by_trial(trials((math.nan, 60.0), (1.0, 3.0))).tolist()[1] == 2
