"""The figures of a run, in the order of its page.

    SWEPT       of a run that sweeps an option
    IN_PAGES    of a run that has a transport with both clients
    COMPARED    of every run
    SIMULATED   of a simulated run, in addition

A figure that says nothing of a run is left out of its page, and can still be drawn by its name.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from bench.report import style
from bench.report.data.page_delay import pairs_of
from bench.report.data.run import RunData
from bench.report.figures import cost, load, page_delay, speed, sweep
from bench.report.figures.spec import FigureSpec
from bench.report.text import simulated

COMPARED = (
    speed.PERCENTILES, speed.LATENCY_BY_CLIENTS, speed.AGE_BY_CLIENTS, cost.BYTES_PER_UPDATE,
    cost.SERVER_BY_CLIENTS, speed.DELIVERIES_OVER_TIME,
)
SWEPT = (sweep.SWEEP,)
IN_PAGES = (page_delay.PAGE_DELAY,)
SIMULATED = (load.WORKER_LOAD, load.IN_VAIN)


def of(run: RunData) -> tuple[FigureSpec[RunData], ...]:
    """Return the figures that a run may have, whether they say anything of it or not."""
    swept = SWEPT * bool(run.scenario.sweep)
    return (*swept, *IN_PAGES * bool(pairs_of(run)), *COMPARED, *SIMULATED * run.simulated)


def drawn(spec: FigureSpec[RunData], run: RunData) -> Figure:
    """Draw a figure of a run; one of a simulated run says so in its title and along its edge."""
    figure = spec.figure(run)
    if run.simulated:
        with style.settings():
            style.heading(figure, simulated.titled(figure.get_suptitle().replace("\n", " ")))
        style.aside(figure, f"simulated, with {simulated.conditions_text(run.manifest)}")
    return figure
