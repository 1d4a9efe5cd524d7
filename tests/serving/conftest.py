"""Fixtures of the chassis's tests."""

from servers import feed

__all__ = ["feed"]
