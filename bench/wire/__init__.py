"""The contract between clients and servers of every transport, and the sizes of messages on the wire.

Modules, in reading order:

    contract     cursors, subscriptions, batches, refusals
    options      options of a conversation apart from its payload: headers, TLS, compression, connections
    http_client  the client's side of HTTP/1.1, without I/O
    frames       WebSocket frames as a server reads them
    sizes        the size of each kind of message, times how often it is sent
"""
