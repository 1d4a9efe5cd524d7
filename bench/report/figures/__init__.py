"""The figures of a report.

Modules, in reading order:

    speed      latency, age, deliveries over time
    cost       bytes, server CPU and memory
    load       utilisation, misses, requests and sockets of a simulated run
    storm      recovery from a reconnect storm
    crossover  the cheapest and the freshest transport, over a map
    outlook    simulations beyond a measured run, for notebooks
"""
