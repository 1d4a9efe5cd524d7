"""Sentences of a report, computed from its values.

Modules, in reading order:

    forms      the closed forms shown with the figures, and their source
    simulated  marks the report of a simulated run as such, throughout
    findings   the findings, one for each question
    first_screen  which transport to take: the answer, and a line for each measure
    round_trips  how soon an author has its own message back, where clients send
    library_share  how much of each transport's cost is its library's, where a run has both servers
    equal_staleness  which of a push and a poll costs less where both are equally stale, from a sweep
    option_effects  what a choice of an option saves or costs, where a run has each transport with several
    page_delay  how much later a page of a browser has an update, where a run has both clients
    decision   a decision in words, and what no number tells
    thresholds  the verdicts on the thresholds that a run must meet
    conditions  the conditions under which the answer holds
    terms      the terms of a report, with their meanings
"""
