"""The implementations of the WebSocket server. Each has `install(chassis, options)`.

Modules, in reading order:

    library  on the `websockets` library
    bare     on asyncio and httptools alone, with frames of our own
"""
