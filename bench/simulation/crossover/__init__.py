"""The map of the cheapest and the freshest.

Modules, in reading order:

    crossover        closed forms over a whole map
    crossover_study  the map of a scenario, and some of its fields simulated
"""
