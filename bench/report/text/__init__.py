"""Sentences of a report, computed from its figures.

Modules, in reading order:

    forms      where the closed forms beside the figures come from
    simulated  says at every turn that a run is simulated
    findings   what the numbers say
"""
