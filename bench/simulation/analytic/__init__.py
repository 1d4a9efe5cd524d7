"""Closed forms of a whole system.

Modules, in reading order:

    system        the transports' models, put together for one worker
    closed_forms  `closed_forms.csv`
"""
