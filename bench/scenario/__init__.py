"""A scenario: one question, as data.

    scenario.toml ─► parsing ─► model (frozen, validated)

Modules, in reading order:

    model          the scenario and its tables; loading a file, applying `--set`
    fields         the base of all tables, and the kinds of numbers in them
    parsing        turns the first mistake in a table into one sentence
    objective      the grammar of what a step of a capacity search must hold
    stop_rule      the grammar of when a run has measured enough
    simulation     the table `[simulation]`
    storm          the table `[storm]`
    crossover      the table `[crossover]`
    replay         the table `[feed.replay]`
    trade_formats  formats of trade files, as data
"""
