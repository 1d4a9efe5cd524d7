"""`[storm]`: what it refuses, and that a scenario takes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.errors import ScenarioError
from bench.scenario import model
from bench.scenario.storm import POLICIES, Storm

HEAD = 'question = "?"\n[load]\nclients = [100]\n[transports.websocket]\n'


def read(tmp_path: Path, text: str) -> model.Scenario:
    """Return a scenario with these lines."""
    path = tmp_path / "storm.toml"
    path.write_text(HEAD + text)
    return model.load(path)


def test_an_empty_table_compares_all_policies(tmp_path: Path) -> None:
    storm = read(tmp_path, "[storm]\n").storm
    assert storm == Storm()
    assert storm is not None
    assert set(storm.policies) == set(POLICIES)
    assert read(tmp_path, "").storm is None


def test_named_policies_take_the_place_of_all(tmp_path: Path) -> None:
    storm = read(tmp_path, '[storm.policies.mine]\nwait = "equal"\nbase_s = 0.5\n').storm
    assert storm is not None
    assert list(storm.policies) == ["mine"]
    assert storm.policies["mine"].base_s == 0.5


@pytest.mark.parametrize(("text", "told"), [
    ("[storm]\nbacklog = 0\n", "storm.backlog: found 0"),
    ("[storm]\ndown_s = 1e300\n", "storm.down_s: found 1e+300, allowed is a number of at most 86400"),
    ('[storm.policies.mine]\nwait = "random"\n', "storm.policies.mine.wait: found 'random'"),
    ("[storm]\nbacklogs = 3\n", "storm.backlogs: found an unknown key, allowed is backlog (the nearest"),
    ("[storm.policies.mine]\nbase_s = 1e-300\n",
     "storm.policies.mine.base_s: found 1e-300, allowed is a number of at least 0.01"),
    ("[storm.policies.mine]\ncap_s = 1e-6\n", "storm.policies.mine.cap_s: found 1e-06"),
    ("[storm]\ntimeout_s = 1e-300\n", "storm.timeout_s: found 1e-300"),
    ('[storm.map]\npolicy = "other"\n', "storm.map.policy: found 'other', allowed is one of storm.policies:"),
])
def test_a_slip_is_one_sentence(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(told)):
        read(tmp_path, text)
