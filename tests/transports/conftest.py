"""Fixtures of the servers' tests."""

from servers import feed

__all__ = ["feed"]
