"""The engine: one worker, its clients and the network between them, exactly.

Modules, in reading order:

    inputs          the worker, its clients, its costs and its feed, as frozen data
    random_streams  random numbers that depend only on the client and on the purpose of the draw
    engine          the simulation of one worker, in rounds of many jobs at once
    event_queue     arrivals to come in order of time, and the clients that wait for news
    server_queue    a worker's queue, in order of arrival
    poll_schedule   the instants at which clients ask
    uplinks         the messages that clients send, on their way up to the worker
    flush_timer     the instants at which a worker hands out ticks, if it doesn't do so at once
    tape_reads      the ticks and the declared skips that a request gets
    network         delays, slow links, and the load client as a queue
    counters        counts per client and per worker
    sink            the collected records: rows of a few clients, sums over all
"""
