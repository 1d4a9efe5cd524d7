"""What tests of the servers share."""

from servers import feed

__all__ = ["feed"]
