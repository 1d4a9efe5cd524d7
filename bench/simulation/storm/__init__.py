"""Reconnect storms: all clients lose their server at once.

Modules, in reading order:

    backoff      a client's wait before its next attempt
    storm        one storm, event by event
    storm_study  every policy simulated with every seed, as tables
"""
