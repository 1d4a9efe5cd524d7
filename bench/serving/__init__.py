"""The one chassis of all server processes: what every transport gets alike, and none gets better.

    config ──► chassis ──► service of one transport ──► clients
                 │  tape ◄── feed subscription ◄── publisher
                 │  counts, pages (/health, /stats, /openapi.json), lifecycle

    config.py    what a server process is told, and the limits that it keeps
    certificate.py   a throw-away certificate for TLS
    sockets.py   the listening socket's options
    target.py    a request's target: path and query, strictly decoded
    admission.py which requests are answered: Host, Origin, method, body
    upgrade.py   the head before a WebSocket's upgrade
    answers.py   a batch encoded once for all who ask the same, and its entity tag
    chassis.py   tape, feed, news, counts; start and stop of the process
    http.py      the HTTP service that polling transports share
    openapi.py   the description of that service

Modules, in reading order:

    config       what a server process is told, and the limits that it keeps
    chassis      tape, feed, news, counts; start and stop of the process
    sockets      the listening socket's options
    certificate  a throw-away certificate for TLS
    admission    which requests a server answers, from their heads alone
    upgrade      reads the request before an upgrade
    target       a request's target: path and query, strictly decoded
    answers      a batch encoded once for all who ask alike, and its entity tag
    http         the HTTP service that polling transports share
    openapi      the description of that service
"""
