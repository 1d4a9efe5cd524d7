"""The tables of a report.

Modules, in reading order:

    run             cells, trials, verdicts
    server          CPU, opening, switches and memory of the server
    bytes           bytes by kind
    capacity_plan   workers, traffic and price
    claims          published claims beside our numbers
    host_speed      how fast the host was
    model_accuracy  how far to believe a simulated run
"""
