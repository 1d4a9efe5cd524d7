"""The load generator: Locust's users, one reactor for all of their sockets, and a session with the runner.

    __main__ ─► locustfile ─► users (lives) ─► session ─► reactor ─► transports.driver ─► client machines
                                                  │                                            │
                               runner ◄─lifeline──┘            recorder, live numbers ◄────────┘

It is always a process of its own and nothing imports it: importing Locust patches the standard library.

Modules, in reading order:

    locustfile  the entry for Locust
    config      the configuration of a load process
    users       Locust's users: one per client
    session     the work of a load process in a trial
    author      a client that also sends
    readings    the counters of a client, read at one instant
    reactor     the one loop over all sockets
    accounting  detects that everything that was owed has arrived
    live        live numbers for Locust's own display
    turns       the times between two turns of a loop
    browser     a load process whose clients are pages of a browser
"""
