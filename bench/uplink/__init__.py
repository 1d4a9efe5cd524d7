"""Messages that clients send: their schedule, their checks, and the way by which they become ticks.

    author ──message──► server ──line──► exchange (the publisher of such a feed) ──tick──► every server ──► clients
       ▲                  │   ▲                 │
       └──────answer──────┘   └─────answer──────┘

With `feed.source = "clients"` each tick of the schedule is a message: it has a due instant, a room (its symbol) and
an author, all fixed before the trial, and its identity is its place in the schedule. So sending a message again after
a break is idempotent, and a late author never moves another message. The exchange numbers and logs each message once,
and hands it back to all servers like any tick: epochs, tapes, records and fates are the same as for a feed with one
source.

Modules, in reading order:

    message   the format of a message and of its answer, and the checks that need no state
    authors   the rooms of clients, and the author of each message
    ledger    the decision on a message: numbered, known already, or refused
    exchange  the process that numbers messages and hands them back
    relay     a server's side: checks a message, forwards it, and passes the answer on
"""
