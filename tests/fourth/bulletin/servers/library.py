"""The bulletin's server is WebSocket's."""

from bench.transports.websocket.servers.library import install as install
