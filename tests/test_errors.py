"""The errors a user can meet."""

from __future__ import annotations

import pytest

from bench import errors


def test_a_scenario_error_names_file_field_found_and_allowed() -> None:
    error = errors.ScenarioError("quick.toml", "load.clients", "0", "at least 1")
    assert str(error) == "quick.toml: load.clients: found 0, allowed is at least 1"


@pytest.mark.parametrize("name", ["ScenarioError", "FeedFileError", "RunError", "HostError"])
def test_the_users_mistakes_are_one_family(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.UserError)
    assert name in (errors.__doc__ or "")


def test_a_failed_trial_is_not_the_users_mistake() -> None:
    assert not issubclass(errors.TrialError, errors.UserError)
    assert errors.TrialError("server-died", "it did").reason == "server-died"
