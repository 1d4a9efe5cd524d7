"""The bulletin's server is the other one, under a name of its own."""

from bench.transports.websocket.servers.library import install as install
