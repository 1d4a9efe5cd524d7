from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.load.browser.brackets import STEP_NS, PageClock

OFFSETS = st.integers(-10**15, 10**15)
DELAYS = st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=1, max_size=20)
"""Of each bracket, the times to the page and back."""


def read(clock: PageClock, offset_ns: int, at_ns: int, there_ns: int, back_ns: int) -> None:
    """Read a page's clock that shows `at_ns`, rounded down to a step of it."""
    shown_ms = at_ns // STEP_NS * STEP_NS / 1e6
    clock.bracket(at_ns + offset_ns - there_ns, shown_ms, at_ns + offset_ns + back_ns)


@given(OFFSETS, DELAYS, DELAYS)
def test_the_offset_is_within_the_error_whatever_the_delays(
    offset_ns: int, delays: list[tuple[int, int]], later: list[tuple[int, int]]
) -> None:
    clock = PageClock()
    for number, (there_ns, back_ns) in enumerate(delays):
        read(clock, offset_ns, 10**9 + 10**8 * number, there_ns, back_ns)
    clock.settle()
    assert abs(clock.offset_ns - offset_ns) <= clock.error_ns
    assert clock.error_ns <= min(there + back for there, back in delays) / 2 + 2 * STEP_NS
    for number, (there_ns, back_ns) in enumerate(later):
        read(clock, offset_ns, 10**12 + 10**8 * number, there_ns, back_ns)
    assert clock.step_ns == 0
    assert clock.readings == len(delays) + len(later)


@given(OFFSETS, DELAYS, st.integers(-10**9, 10**9))
def test_a_step_is_seen_as_far_as_the_brackets_tell(
    offset_ns: int, delays: list[tuple[int, int]], step_ns: int
) -> None:
    clock, width_ns = PageClock(), min(there + back for there, back in delays) + 2 * STEP_NS
    for each_ns in (offset_ns, offset_ns + step_ns):
        for number, (there_ns, back_ns) in enumerate(delays):
            read(clock, each_ns, 10**9 + 10**8 * number, there_ns, back_ns)
    assert abs(step_ns) - 2 * width_ns <= clock.step_ns <= abs(step_ns)


def test_an_instant_of_the_page_is_brought_to_the_run_clock() -> None:
    clock = PageClock()
    clock.bracket(7_000_000, 2.0, 7_000_000)
    clock.settle()
    assert clock.run_ns(3.5) == 8_500_000
