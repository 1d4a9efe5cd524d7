"""Short polling: ask on a schedule, be answered at once (see `protocol`)."""
