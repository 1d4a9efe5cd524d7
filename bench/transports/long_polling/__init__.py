"""Long polling: ask, and be answered when there is news (see `protocol`)."""
