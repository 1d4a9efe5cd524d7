"""The figures of a report.

Modules, in reading order:

    spec       a figure in one place: name, title, drawing, caption
    speed      latency, age, deliveries over time
    cost       bytes, server CPU and memory
    load       utilisation, misses, requests and sockets of a simulated run
    sweep      freshness against cost, a curve for each swept transport
    page_delay  a browser's pages beside our own clients
    run        the figures of a run, in the order of its page
    capacity   the steps of a search, and the capacity limits
    storm      recovery from a reconnect storm
    change     two runs side by side: each measure's change
    crossover  the cheapest and the freshest transport, over a map
    decision   cost against staleness, with the situation asked for
    validation  every prediction over its measurement
"""
