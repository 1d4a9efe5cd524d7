"""The load generator: Locust's users, one reactor for all of their sockets, and a session with the runner.

    __main__ ─► locustfile ─► users (lives) ─► session ─► reactor ─► transports.driver ─► client machines
                                                  │                                            │
                               runner ◄─lifeline──┘            recorder, live numbers ◄────────┘

It is always a process of its own and nothing imports it: importing Locust patches the standard library.
"""
