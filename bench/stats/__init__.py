"""Records to figures: fates, latency, age, costs, intervals, comparisons.

    TrialRecord + tables ─► arrays ─► fates   ┐
                                      latency │
                                      age     ├─► trial (a row of trials.csv) ─┬► summary (a row a cell)
                                      costs   ┘                                └► comparison (of cells)

Everything here is a pure function of its arguments: no file, no clock, no chance. What was not
measured is NaN, never zero; a percentile that falls among lost updates is infinite.
"""
