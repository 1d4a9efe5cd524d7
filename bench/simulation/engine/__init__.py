"""The engine: one worker, its clients and the network between them, exactly.

Modules, in reading order:

    inputs          what there is to simulate, as frozen data
    random_streams  random numbers that depend on who draws and for what alone
    engine          rounds of many jobs at once
    event_queue     who comes when, and who waits for news
    server_queue    a worker's queue, in order of arrival
    poll_schedule   when clients ask
    tape_reads      what requests get
    network         delays, and the client as a queue
    counters        what is counted per client and worker
    sink            where records go: rows of a few clients, sums of all
"""
