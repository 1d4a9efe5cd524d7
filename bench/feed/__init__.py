"""The stock ticker: what a tick is, when ticks are due, who publishes them, and what can still be had.

Modules, in reading order:

    tick          one trade of one symbol, with its due instant
    instants      instants as trade files have them
    trade_files   the content of a trade file as batches of columns
    trade_store   trades as a run keeps them
    replay        reads a file of real trades
    schedule      every tick of a trial, fixed before it begins
    publisher     the process that sends each tick when it is due
    timer         an alarm at an absolute instant
    outlet        the publisher's TCP side
    log           the publisher's log: what was sent when
    subscription  a server's end of the feed
    tape          what a server can still hand out, and the policies for slow clients
"""
