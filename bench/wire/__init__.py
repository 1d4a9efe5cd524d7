"""What clients and servers of every transport agree on, and what it takes on the wire.

Modules, in reading order:

    contract     cursors, subscriptions, batches, refusals
    options      headers, TLS, compression, connections: what transports have in common beside the payload
    http_client  the client's side of HTTP/1.1, without I/O
    sizes        sizes of what is sent, by kind, times how often it is sent
"""
