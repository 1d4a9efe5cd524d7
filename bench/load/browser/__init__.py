"""A load process whose clients are pages of a headless Chromium (`client = "browser"` in a scenario).

    runner ◄─lifeline─► session ──► pages ◄─DevTools─► Chromium: a page per client, with a profile of its own
                           │                             │ runs the transport's client in a page (`live.js`)
                           └ site ──the page's files─────┘
    page: [kind, instant, what came] … ──handed over──► events ─► Recorder, counts ─► the files of any load

A page says what came and when by its own clock, and nothing else. Which updates were due, came twice or are missing is
decided by the code that decides it for all other clients. The page's instants are brought to the run clock by brackets.

Kernel instants, bytes on the wire and connections are not seen from a page: these columns are null.

Modules, in reading order:

    events    the report of a page, made into records and counts
    brackets  the clock of a page
    site      the files of the page
    pages     the pages, and their control
    session   the work of the process in a trial
"""
