"""A run, from a scenario to records on disk: its plan, its trials, its folder.

    prepare ─► plan ─► requirements ─► run_folder ─► run ─► trial
    (question)  (order)   (does it fit?)   (on disk)    (loop)  (one)

Collecting only: what the records mean is judged by `bench.audit` and `bench.stats`, from the files.

Modules, in reading order:

    prepare          from what the user typed to a scenario that can be run
    plan             what a run does, in which order
    requirements     time, disk, memory, files and ports that a run needs
    run_folder       a run's folder, and how an interrupted run goes on
    run              one trial after the other, judged before the next begins
    trial            one trial and its processes
    capacity_search  the search for the capacity limit of each transport
    series           several runs in turns, block by block
    effect           fields that a verb takes no notice of, so that a flag without effect is refused
    progress         the progress bar and the time left
    machine_lock     one run at a time on a machine
    disk_full        a full disk, reported in one sentence
    serve            all servers side by side on one feed
    doctor           looks at what of this machine would spoil a run
    scenario_docs    makes `docs/scenario.md` from the models
"""
