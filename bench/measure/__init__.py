"""Measuring from outside and below: what the kernel, and not the measured code, knows.

    recording.py   rows of what arrived: appended while clients are driven, converted afterwards
    tcp.py         arrival stamps and the counters of a connection
    process.py     CPU time and memory of a process
    host.py        what this machine is, and what else happens on it

Modules, in reading order:

    recording      rows of what arrived: appended while clients are driven, converted afterwards
    tcp            arrival stamps and counters of a connection
    process        CPU time, memory and context switches of a process
    socket_memory  memory in a server's socket buffers
    host           the machine, and checks for what would spoil a run
    cgroup         quotas and memory limits of control groups
    noise          disturbances of a trial from outside
"""
