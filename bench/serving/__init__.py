"""The chassis that all server processes share: no transport gets a better one than another.

    config ──► chassis ──► service of one transport ──► clients
                 │  tape ◄── feed subscription ◄── publisher
                 │  counts, pages (/health, /stats, /openapi.json), lifecycle

The tape holds the ticks that a server can still hand out.

Modules, in reading order:

    config       the configuration of a server process, and the limits that it enforces
    chassis      tape, feed, news, counts; start and stop of the process
    sockets      the listening socket's options
    certificate  a throw-away certificate for TLS
    admission    the rules that decide from a request's head whether it is answered
    upgrade      reads the request before an upgrade
    target       a request's target: path and query, strictly decoded
    responses    a batch encoded once for all who ask alike, and its entity tag
    fanout       pushes news to all connections that are up to date, and lets the others catch up
    streams      responses that do not end, which the fan-out writes to
    openapi      the description of the HTTP service
    http         the HTTP service on aiohttp: responses to polls, and streams
    request_head  the head of a request, by httptools
    bare         the HTTP service without a library
"""
