"""The implementations of the Server-Sent Events server. Each has `install(chassis, options)`.

Modules, in reading order:

    library  on aiohttp's HTTP server
    bare     on asyncio and httptools alone
"""
