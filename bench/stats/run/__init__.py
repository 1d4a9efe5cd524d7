"""Values across the trials of a run.

Modules, in reading order:

    intervals          intervals between trials, and differences between two subjects
    summary            trials to cells: a row of `summary.csv`
    comparison         every two transports against each other
    regressions        one run against another: values that have become worse
    thresholds         conditions that a run must meet: met, broken or open
    stopping           whether a run has measured enough
    host_speed         the speed of the host at each trial
    limit_search       the search for the highest level at which an objective holds
    capacity_limit     the limit and its interval, from steps that held or broke
    capacity_plan      workers, traffic and price for a number of clients
    prediction         predicted against measured, per cell
    prediction_causes  the causes of a prediction's error, from other measurements of its cell
    prediction_band    the range of a prediction's error
    uncertainty        bands of predicted values, drawn jointly
"""
