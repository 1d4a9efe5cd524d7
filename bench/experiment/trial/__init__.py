"""One trial: fresh processes, one cell, one set of records.

Modules, in reading order:

    trial         the phases of a trial, from its processes to its tables
    commands      our own programs as commands, each with its configuration
    processes     the processes of a trial: started under guards, heard, ended
    guard         runs one command, and ends it when whoever asked for it is gone
    load_workers  the load of a trial, as one process or several
"""
