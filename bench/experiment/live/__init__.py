"""The live page of `tickertape serve`: all transports side by side in one's own browser.

    browser tab ──page, counts, cuts──► site
         │                               │ opens, cuts, switches
         └─clients' connections──► relays (one to each server, of this tab alone) ──► servers of the scenario

Where the feed takes messages, the page has a chat box, which sends a message over each client's own way.

The page is plain: ES modules in `static/`, no framework, no build step, no request to the net. A transport brings
the module of its own client (`Description.live`).

Modules, in reading order:

    config  what of a scenario is on the page
    relay   a tab's way to a server: passes bytes on, counts them, and can be cut
    site    the pages, and what they ask of their relays
"""
