"""Closed forms of a whole system.

Modules, in reading order:

    message_way   the way of a client's message until the server has it as a tick
    system        the transports' models, put together for one worker
    closed_forms  `closed_forms.csv`
"""
