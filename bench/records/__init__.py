"""The files of a run: the one contract between measuring, simulating and judging.

Modules, in reading order:

    trial_record  record types of a trial, and their files
    digests       digests of a trial's files: a file that was changed later is refused
    manifest      the settings of a run: read back and checked
"""
