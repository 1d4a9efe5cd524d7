"""A scenario: one question, as data.

    scenario.toml ─► parsing ─► model (frozen, validated)

Modules, in reading order:

    model          the scenario and its tables; loads a file and applies `--set`
    fields         the base class of all tables, and the number types of their fields
    parsing        validates a table, and reports the first mistake in one sentence
    objective      the grammar of the condition that each step of a capacity search must meet
    thresholds     the table `[thresholds]`, and the grammar of its conditions
    stop_rule      the grammar of the rule that ends a run once its intervals are narrow enough
    sweep          the table `[sweep]`: a subject for each value of an option
    simulation     the table `[simulation]`
    storm          the table `[storm]`
    crossover      the table `[crossover]`
    decision       the tables `[decision]` and `[use_case]`
    replay         the table `[feed.replay]`
    trade_formats  formats of trade files, as data
"""
