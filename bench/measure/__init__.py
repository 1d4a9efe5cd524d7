"""Measuring from outside and below: what the kernel, and not the measured code, knows.

    recording.py   rows of what arrived: appended while clients are driven, converted afterwards
    tcp.py         arrival stamps and the counters of a connection
    process.py     CPU time and memory of a process
    host.py        what this machine is, and what else happens on it
"""
