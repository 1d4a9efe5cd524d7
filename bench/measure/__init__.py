"""Measuring from outside and below: what the kernel, and not the measured code, knows.

Modules, in reading order:

    recording      rows of what arrived: appended while clients are driven, converted afterwards
    tcp            arrival stamps and counters of a connection
    process        CPU time, memory and context switches of a process
    socket_memory  memory in a server's socket buffers
    time_wait      the side that closed a server's connections first
    host           the machine, and checks for what would spoil a run
    cgroup         quotas and memory limits of control groups
    noise          disturbances of a trial from outside
"""
