"""The implementations of the WebSocket server. Each has `install(chassis, options)`.

Modules, in reading order:

    library  on the `websockets` library
"""
