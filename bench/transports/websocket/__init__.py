"""WebSocket: connect once, and be told (see `protocol`)."""
