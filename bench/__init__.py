"""Tickertape: what it costs, and how long it takes, to get live data to its clients."""
