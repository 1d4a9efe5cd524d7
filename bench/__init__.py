"""Tickertape: compare how live data gets to its clients by what it costs and how long it takes.

Modules, in reading order:

    cli         the command line, a file per verb
    scenario    one question as data: TOML to a frozen, validated scenario
    output      text from files, made harmless for where it goes
    records     the files of a run: the contract between measuring, simulating and judging
    wire        what clients and servers agree on, and what it takes on the wire
    feed        the stock ticker: ticks, their schedule, the publisher, the tape
    serving     the chassis that every server shares
    transports  one folder per transport: protocol, server, client, model
    measure     what the kernel knows of processes, connections and the machine
    load        the load generator
    experiment  a run: its plan, its trials, its folder
    stats       records to figures: per trial, and across trials
    audit       the verdict on a trial
    claims      published claims, judged by the records of a run
    report      the files of a run to tables, figures and pages
    simulation  the same scenario at scales that cannot be measured
    shipped     where the files are that come with the package
    lifeline    how a process of a run hears from its runner, and ends with it
    clock       one timeline for all processes of a run
    errors      the errors that a user can meet
"""
