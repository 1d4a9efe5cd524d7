"""One trial: fresh processes, one cell, one set of records.

Modules, in reading order:

    trial         the phases of a trial, from its processes to its tables
    commands      the project's own programs as commands, each with its configuration
    processes     starts, reads and ends the processes of a trial, each under a supervisor
    guard         the supervisor: runs one command, and ends it when the process that asked for it is gone
    load_workers  the load of a trial, as one process or several
"""
