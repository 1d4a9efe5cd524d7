"""The stock ticker: ticks, their schedule, the process that publishes them, and the ticks still available.

Modules, in reading order:

    tick          one trade of one symbol, with its due instant
    instants      instants in the formats of trade files
    trade_files   the content of a trade file as batches of columns
    trade_store   trades in the format that a run stores
    replay        reads a file of real trades
    splitmix      a hash of 64 bits to 64 bits, for numbers that depend on their key alone
    schedule      every tick of a trial, fixed before it begins
    publisher     the process that sends each tick when it is due
    timer         an alarm at an absolute instant
    outlet        the publisher's TCP side
    log           the publisher's log: the sending time of each tick
    subscription  a server's end of the feed
    tape          the ticks that a server can still hand out, and the policies for slow clients
"""
