"""A request's target: `/ticks?after=9f2c:42&symbols=AAA,BBB`, strictly decoded.

It may also be in absolute form, `http://127.0.0.1:8701/ticks`, as it is sent to a proxy; a server has to
accept that (RFC 9112, section 3.2.2).

The query is percent-encoded UTF-8. Bytes that are not UTF-8 are refused rather than patched with
replacement characters. A parameter that occurs twice is refused, since other servers may resolve it by
another rule.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import parse_qsl

from bench.serving.config import TARGET_BYTES
from bench.wire.contract import Refusal, Request

PARAMETERS_MAX = 16
ABSOLUTE = re.compile(r"https?://([^/?#@]+)((?:[/?][^#]*)?)", re.IGNORECASE)


def split_target(target: str) -> tuple[str | None, str, str]:
    """Return the host that a request's target names (None if none), its path and its query, all still
    encoded.

    Raises `Refusal` if the target is too long, not ASCII or malformed.
    """
    if len(target) > TARGET_BYTES:
        raise Refusal("target-too-long", f"a request's target has at most {TARGET_BYTES} bytes")
    if not target.isascii():
        raise Refusal("bad-encoding", "a request's target is ASCII, with %-escapes for UTF-8")
    host = None
    if not target.startswith("/") and "://" in target:
        absolute = ABSOLUTE.fullmatch(target)
        if absolute is None:
            raise Refusal("bad-request", "an absolute target is http://host/path, with no user or fragment")
        host, target = absolute[1], absolute[2]
    path, _, query = target.partition("?")
    return host, path or "/", query


@lru_cache(maxsize=1024)
def parse_query(query: str) -> Request:
    """Return the request that a query describes. Raises `Refusal` if the query is malformed.

    Cached, since clients that are up to date ask with the same string.
    """
    try:
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=PARAMETERS_MAX,
        )
    except UnicodeDecodeError:
        raise Refusal("bad-encoding", "the query is not UTF-8 once its %-escapes are resolved") from None
    except ValueError:
        detail = f"a query is name=value with & between, at most {PARAMETERS_MAX} of them"
        raise Refusal("bad-request", detail) from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise Refusal("bad-request", "a parameter of the query is given twice")
    return Request.parse(parameters)
