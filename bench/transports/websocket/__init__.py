"""WebSocket: connect once, and the server pushes (see `protocol`)."""
