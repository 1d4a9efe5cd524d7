"""Figures across the trials of a run.

Modules, in reading order:

    intervals          intervals between trials, and what two subjects differ by
    summary            trials to cells: a row of `summary.csv`
    comparison         every two transports against each other
    regressions        one run against another: what has become worse
    stopping           whether a run has measured enough
    host_speed         how fast the host was at each trial
    knee_search        the search for the highest level at which an objective holds
    capacity_limit     the limit and its interval, from steps that held or broke
    capacity_plan      workers, traffic and price for so many clients
    prediction         predicted against measured, per cell
    prediction_causes  why a prediction missed, from what was measured beside it
    prediction_band    how far off a prediction may be
    uncertainty        bands of predicted figures, drawn jointly
"""
