"""The verdict on a trial: whether its values are valid, and which side was at its limit.

Modules, in reading order:

    detectors   the table of detectors, their thresholds and advice; VALID, INVALID or ABORTED
    limited_by  which side of a trial was at its limit
"""
