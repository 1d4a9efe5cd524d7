"""The search for the capacity limit: it finds it, says how well, and goes on from any prefix unchanged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.run import limit_search as searching
from bench.stats.run.limit_search import (
    Outcome,
    SearchSettings,
    SearchStep,
    is_found,
    is_over,
    next_level,
    next_step,
    search_state,
)

SEARCH = SearchSettings(start=100, most=10_000, factor=2.0, precision=0.15, time_s=1e9)
searches = st.builds(
    SearchSettings, start=st.integers(1, 50), most=st.integers(50, 5000), factor=st.floats(1.3, 4),
    precision=st.floats(0.1, 0.5), time_s=st.just(1e9),
)


def searched(search: SearchSettings, outcome: Callable[[str, int, int], Outcome], subjects: Sequence[str] = ("a",),
             steps: Sequence[SearchStep] = ()) -> list[SearchStep]:
    """Return the whole search, where `outcome(subject, level, try)` says how a trial ends."""
    made = list(steps)
    while (wanted := next_step(made, subjects, search)) is not None:
        subject, level = wanted
        tries = sum((step.subject, step.level) == wanted for step in made)
        made.append(SearchStep(subject, level, outcome(subject, level, tries), 1.0))
        assert len(made) <= len(subjects) * searching.STEPS_MOST
    return made


def below(limit: float) -> Callable[[str, int, int], Outcome]:
    return lambda _, level, __: "held" if level < limit else "broke"


def test_a_search_doubles_until_it_breaks_and_then_closes_in() -> None:
    steps = searched(SEARCH, below(500))
    assert [step.level for step in steps][:4] == [100, 200, 400, 800]
    found = search_state(steps)
    assert found.held is not None
    assert found.broke is not None
    assert found.limit is not None
    assert 400 <= found.held < 500 <= found.broke <= 566
    assert found.limit.low < 500 < found.limit.high
    assert found.limit.reach <= SEARCH.precision
    assert len(steps) < 20


@settings(deadline=None, max_examples=30)
@given(searches, st.integers(0, 6000))
def test_a_sharp_limit_is_bracketed(search: SearchSettings, capacity: int) -> None:
    steps = searched(search, below(capacity + 0.5))
    found = search_state(steps)
    assert is_found(steps, search)
    assert all(search.start <= step.level <= search.most for step in steps)
    if capacity < search.start:
        assert (found.held, found.broke) == (None, search.start)
    elif capacity >= search.most:
        assert (found.held, found.broke) == (search.most, None)
    else:
        assert found.held is not None
        assert found.broke is not None
        assert found.held <= capacity < found.broke


@pytest.mark.parametrize("spread", [0.03, 0.1, 0.2])
def test_the_interval_holds_the_limit_and_is_narrow_where_trials_agree(spread: float) -> None:
    """Searches in which each trial has a limit of its own, about the one that is looked for; as many steps
    as fit into 100 s."""
    rng = np.random.default_rng(1)
    inside, reaches, runs = 0, [], 40
    for _ in range(runs):
        limit = math.exp(rng.uniform(math.log(150), math.log(3000)))
        steps: list[SearchStep] = []
        while len(steps) < 17 and (level := next_level(steps, SEARCH)) is not None:
            mine = limit * math.exp(rng.normal(0, spread))
            steps.append(SearchStep("a", level, "held" if level < mine else "broke", 5.0))
        found = search_state(steps).limit
        assert found is not None
        inside += found.low <= limit <= found.high
        reaches.append(found.reach)
    assert inside >= 0.85 * runs   # of 95 %, in so few draws
    assert np.median(reaches) < (0.18 if spread <= 0.1 else 0.3)


@settings(deadline=None, max_examples=15)
@given(st.randoms(use_true_random=False), st.data())
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(random: object, data: st.DataObject) -> None:
    search = replace(SEARCH, time_s=40.0)
    outcomes: dict[tuple[str, int, int], Outcome] = {}

    def outcome(*key: object) -> Outcome:
        drawn = random.choice(["held", "held", "broke", "void", "bound"])   # type: ignore[attr-defined]
        return outcomes.setdefault(key, drawn)   # type: ignore[arg-type]

    whole = searched(search, outcome, ("a", "b"))
    cut = data.draw(st.integers(0, len(whole)))
    assert searched(search, outcome, ("a", "b"), whole[:cut]) == whole


def test_one_bad_trial_does_not_keep_the_search_low() -> None:
    steps = searched(SEARCH, lambda _, level, tries: "held" if level < 500 and (level, tries) != (200, 0)
                     else "broke")
    found = search_state(steps).limit
    assert found is not None
    assert 400 < found.estimate < 600


def test_a_void_step_says_nothing_and_is_made_again_twice_at_most() -> None:
    void, held = SearchStep("a", 100, "void", 1.0), SearchStep("a", 100, "held", 1.0)
    for steps, following in (([void], 100), ([void, void], 100), ([void, void, void], None),
                             ([void, held], 200)):
        assert next_level(steps, SEARCH) == following


def test_no_more_than_the_most_steps_are_made_where_a_level_that_held_is_void_from_then_on() -> None:
    made = [SearchStep("a", 100, "held", 1.0), SearchStep("a", 200, "broke", 1.0)]
    made += [SearchStep("a", 100, "void", 1.0)] * (searching.STEPS_MOST - 3)
    assert next_level(made, SEARCH) == 100
    assert next_level([*made, made[-1]], SEARCH) is None


def test_where_those_who_measure_give_in_the_answer_is_a_bound() -> None:
    """Nothing is tried where they did, and what held comes as near to it as is asked."""
    steps = searched(SEARCH, lambda _, level, __: "held" if level < 700 else "bound")
    found = search_state(steps)
    assert found.held is not None
    assert found.bound is not None
    assert (found.broke, found.limit) == (None, None)
    assert found.held < 700 <= found.bound <= found.held * (1 + SEARCH.precision)
    assert len({step.level for step in steps if step.outcome == "bound"}) <= 4
    assert is_found(steps, SEARCH)


def test_a_bound_above_the_limit_changes_nothing_of_it() -> None:
    steps = searched(SEARCH, lambda _, level, __: "held" if level < 500 else
                     "broke" if level < 700 else "bound")
    found = search_state(steps).limit
    assert found is not None
    assert found.low < 500 < found.high


def test_nothing_that_counts_at_the_first_step_is_no_limit() -> None:
    assert search_state([SearchStep("a", 100, "bound", 1.0)]).held is None
    assert next_level([SearchStep("a", 100, "bound", 1.0)], SEARCH) is None


def test_subjects_take_turns_and_time_ends_it_for_all() -> None:
    steps = searched(replace(SEARCH, time_s=7.0), lambda *_: "held", ("a", "b"))
    assert [step.subject for step in steps] == ["a", "b"] * 3 + ["a"]
    assert next_level([step for step in steps if step.subject == "b"], SEARCH) == 800
    assert not is_found(steps, SEARCH)
    assert is_over(steps, replace(SEARCH, time_s=7.0))
