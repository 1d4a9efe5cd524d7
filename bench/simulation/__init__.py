"""The simulator: the same scenario, at scales that cannot be measured.

    scenario + costs ─► shards ─► engine ─► trial on disk, as a measured one
                     └► analytic (closed forms), storm, crossover

Workers share nothing, so each is simulated by itself (a shard), in any order and on any core.

Modules, in reading order:

    engine       the way of every tick to every client of one worker
    calibration  what work costs a server here, fitted to measured trials
    shards       a trial, cut into one worker each
    trial        a simulated trial on disk
    pool         tasks over processes
    run          a simulated run
    analytic     closed forms of a whole system
    baseline     measured cells beside simulated ones
    checkpoints  finished pieces of a run without trials
    storm        reconnect storms
    crossover    the map of the cheapest and the freshest
    validation   predicted against measured cells
    outlook      what a measured run comes to elsewhere, for notebooks
"""
