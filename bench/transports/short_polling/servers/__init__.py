"""The implementations of the short-polling server. Each has `install(chassis, options)`.

Modules, in reading order:

    library  on aiohttp's HTTP server
    bare     on asyncio and httptools alone
"""
