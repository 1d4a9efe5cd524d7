"""A run read for judging, from its files alone.

Modules, in reading order:

    run              manifest, trials, cells, and the data that figures are drawn from
    capacity_limits  `capacity.csv`: the capacity limit of each transport
    capacity_plan    `fleet.csv`: what a capacity plan needs in addition to the trials
    measured_forms   closed forms of a measured run
    noise_floor      the smallest difference that this machine can claim
    swept            the curves of a sweep, at one rate of the feed or at several
    page_delay       a browser's pages beside our own clients
    table_files      tables of a run without trials, with their digests
    units            the unit of each column
"""
