"""What tests of the chassis share."""

from servers import feed

__all__ = ["feed"]
