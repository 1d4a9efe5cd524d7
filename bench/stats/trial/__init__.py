"""The values of one trial.

    TrialRecord + tables ─► arrays ─► fates, latency, age, bytes, server_costs … ─► row

Modules, in reading order:

    arrays          the arrays that every value is computed from
    marks           the instants at which the runner read what processes had used
    fates           the fate of each update that each client should have received
    latency         from due to first arrival
    tick_errors     the error of percentiles, bootstrapped over ticks and clients
    age             age of information: the age of the newest tick that a client has
    uplinks         the fate of each message that a client was to send, and its round trip
    bytes           bytes, segments and requests per update
    server_costs    CPU, memory and wake-ups of the server
    reconciliation  counts of publisher, server and clients, compared
    little          Little's law, as a check on what was counted
    steady          trend within the window
    population      all clients of a trial whose tables hold a share of them
    row             the row of `trials.csv`
"""
