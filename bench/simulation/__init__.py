"""The simulator: runs the scenarios of measured runs at scales that cannot be measured.

    scenario + costs ─► shards ─► engine ─► trial on disk, as a measured one
                     └► analytic (closed forms), storm, crossover

Workers share nothing, so each is simulated by itself (a shard), in any order and on any core.

Modules, in reading order:

    engine       the exact simulation of one worker: every tick to every client
    calibration  CPU costs and delays of this machine, fitted to measured trials
    shards       a trial, divided into one shard per worker
    trial        a simulated trial on disk
    pool         tasks spread over processes
    run          a simulated run
    analytic     closed forms of a whole system
    baseline     measured cells to compare with simulated ones
    checkpoints  finished results of a run without trials
    storm        reconnect storms
    crossover    the map of the cheapest and the freshest transport
    decision     the transport to take in one situation
    validation   predicted cells against measured ones
"""
