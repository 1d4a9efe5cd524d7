"""The simulator: the same scenario, carried on to where it can't be run.

    world     what there is: one worker, its clients, the network between them, what work costs
    draws     random numbers that depend on who draws and for what, and on nothing else
    engine    the way of every tick to every client
    answers   what a request gets: ranges of the tape as deliveries and declared skips

Workers share nothing, so each is simulated for itself (a shard), in any order and on any core.
"""
