"""A headless Chromium: found on this machine, started, and driven over its DevTools protocol.

    chromium ──starts──► browser process ◄──WebSocket──► one control of the browser, one of each page

It needs no library for browsers: a page is opened, asked and closed by a handful of JSON messages over the WebSocket
client that the project has anyway.

Modules, in reading order:

    devtools  the control of a page, and of the browser itself
    chromium  finding, starting and ending the browser
"""
