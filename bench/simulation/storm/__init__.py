"""Reconnect storms: all clients lose their server at once.

Modules, in reading order:

    backoff      how long a client waits before it tries again
    storm        one storm, event by event
    storm_study  every policy with every seed, as tables
"""
