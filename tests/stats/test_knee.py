"""The search for the knee: it finds it, ends, and goes on from any prefix as if never interrupted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bench.stats.knee import Knee, Search, Step, is_found, knee, next_level, next_step

SEARCH = Search(start=100, most=10_000, factor=2.0, precision=0.2, time_s=1e9)
searches = st.builds(
    Search, start=st.integers(1, 50), most=st.integers(50, 5000), factor=st.floats(1.1, 4),
    precision=st.floats(0.0, 0.5), time_s=st.just(1e9),
)


def searched(search: Search, held: Callable[[str, int, int], bool], subjects: Sequence[str] = ("a",),
             steps: Sequence[Step] = ()) -> list[Step]:
    """The whole search, where `held(subject, level, try)` says how a trial ends."""
    made = list(steps)
    while (wanted := next_step(made, subjects, search)) is not None:
        subject, level = wanted
        tries = sum((step.subject, step.level) == wanted for step in made)
        made.append(Step(subject, level, held(subject, level, tries), 1.0))
        assert len(made) < 1000
    return made


def test_an_example() -> None:
    steps = searched(SEARCH, lambda _, level, __: level < 500)
    assert [step.level for step in steps] == [100, 200, 400, 800, 800, 566, 566, 476]
    assert knee(steps) == Knee(476, 566)


@given(searches, st.integers(0, 6000))
def test_the_knee_is_found_to_the_precision(search: Search, capacity: int) -> None:
    steps = searched(search, lambda _, level, __: level <= capacity)
    found = knee(steps)
    assert is_found(steps, search)
    assert all(search.start <= step.level <= search.most for step in steps)
    if capacity < search.start:
        assert found == Knee(None, search.start)
    elif capacity >= search.most:
        assert found == Knee(search.most, None)
    else:
        assert found.held is not None
        assert found.broke is not None
        assert found.held <= capacity < found.broke
        assert found.broke <= found.held * (1 + search.precision) or found.broke - found.held <= 1


@given(searches, st.randoms(use_true_random=False), st.data())
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(
    search: Search, random: object, data: st.DataObject
) -> None:
    outcomes: dict[tuple[str, int, int], bool] = {}

    def held(*key: object) -> bool:
        return outcomes.setdefault(key, random.random() < 0.6)   # type: ignore[arg-type,attr-defined]

    whole = searched(search, held, ("a", "b", "c"))
    cut = data.draw(st.integers(0, len(whole)))
    assert searched(search, held, ("a", "b", "c"), whole[:cut]) == whole


def test_one_bad_trial_does_not_end_the_climb() -> None:
    steps = searched(SEARCH, lambda _, level, tries: level < 500 and (level, tries) != (200, 0))
    assert [step.level for step in steps][:4] == [100, 200, 200, 400]
    assert knee(steps).held == 476


def test_a_void_step_says_nothing_and_is_made_again_twice_at_most() -> None:
    void, broke = Step("a", 100, False, 1.0, void=True), Step("a", 100, False, 1.0)
    for steps, following in (([void], 100), ([void, void], 100), ([void, void, void], None),
                             ([void, broke], 100), ([broke, void], 100), ([broke, broke], None),
                             ([void, broke, broke], None), ([void, replace(broke, held=True)], 200)):
        assert next_level(steps, SEARCH) == following


def test_subjects_take_turns_and_time_ends_it_for_all() -> None:
    steps = searched(replace(SEARCH, time_s=7.0), lambda *_: True, ("a", "b"))
    assert [step.subject for step in steps] == ["a", "b"] * 3 + ["a"]
    assert next_level([step for step in steps if step.subject == "b"], SEARCH) == 800
    assert not is_found(steps, SEARCH)
