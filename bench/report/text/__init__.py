"""Sentences of a report, computed from its figures.

Modules, in reading order:

    forms      the closed forms shown with the figures, and their source
    simulated  marks the report of a simulated run as such, throughout
    findings   the findings, one for each question
"""
