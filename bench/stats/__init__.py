"""Records to figures, as pure functions: no file, no clock, no chance.

    TrialRecord + tables ─► trial (a row of trials.csv) ─► run (summary.csv, comparisons)

What was not measured is NaN, never zero; a percentile that falls among lost updates is infinite.

Modules, in reading order:

    trial  figures of one trial
    run    figures across trials: intervals, comparisons, limits, plans
"""
