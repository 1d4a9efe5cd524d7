"""Closed forms of a whole system.

Modules, in reading order:

    demand        the demand of clients on a feed, and what they send to it
    message_way   the way of a client's message until the server has it as a tick
    bursts        polls that a load client sends together
    flushes       what a server's timer hands out: how often, and how cold it finds the server
    system        the transports' models, put together for one worker
    closed_forms  `closed_forms.csv`
"""
