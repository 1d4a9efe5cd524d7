"""A run, from a scenario to records on disk: its plan, its trials, its folder.

    prepare ─► plan ─► requirements ─► run_folder ─► run ─► trial
    (question)  (order)   (does it fit?)   (on disk)    (loop)  (one)

This folder only collects records. `bench.audit` and `bench.stats` judge them later, from the files.

Modules, in reading order:

    prepare          reads the scenario that the user asked for, and checks that it can be run
    plan             the trials of a run and their order
    requirements     time, disk, memory, files and ports that a run needs
    run_folder       creates a run's folder, and resumes an interrupted run
    run              makes one trial after the other, and judges each before the next begins
    trial            one trial and its processes
    capacity_search  the search for the capacity limit of each transport
    series           several runs in turns, block by block
    effect           fields that a command ignores, so that a flag without effect is refused
    progress         the progress bar and the time left
    machine_lock     allows one run at a time on a machine
    disk_full        reports a full disk in one sentence
    live             the live page of what is served
    serve            serves all transports of a scenario side by side on one feed
    doctor           checks this machine for anything that would spoil a run
    scenario_docs    generates `docs/scenario.md` from the models
"""
