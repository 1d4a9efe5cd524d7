"""The CPU costs of a server's work on this machine, fitted to measured trials.

Modules, in reading order:

    observations     counts, CPU and instants of measured trials
    least_squares    costs from counts
    loopback_delays  delays from the instants of single ticks
    costs            the costs file
    message_costs    what messages of clients take, beside what is known
    calibration      from trials to a costs file
    cost_bounds      costs at the ends of their intervals
"""
