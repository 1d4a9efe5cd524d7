"""The tables of a report.

Modules, in reading order:

    run             cells, trials, verdicts
    panel           bars of the first screen
    server          CPU, opening, switches and memory of the server
    bytes           bytes by kind
    messages        messages that clients sent, and their round trips
    capacity_plan   workers, traffic and price
    claims          published claims together with our numbers
    host_speed      the speed of the host over the run
    model_accuracy  the accuracy of the model of a simulated run, where it was checked
"""
