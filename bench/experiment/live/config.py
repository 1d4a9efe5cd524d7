"""The live page's configuration: what of a scenario is on it.

    scenario ─► subjects on the page ─► servers of each: its own, and for a push a second one with another flush

The process of the page reads it from a JSON file (`LiveConfig`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from bench.scenario.fields import Table
from bench.scenario.model import Feed
from bench.transports import describe
from bench.wire.options import PushWire, Wire

if TYPE_CHECKING:   # the page's process needs no scenario
    from bench.clock import RunClock
    from bench.experiment.prepare import PreparedScenario

FLUSH_MS = 500.0
"""The flush of the second server of a push that has none."""
LOCALHOST = "127.0.0.1"
Port = Annotated[int, Field(ge=1, le=65535)]


class LiveServer(Table):
    """One server of a subject."""

    port: Port
    flush_ms: float | None = None
    """Its flush in ms; None: the transport has none."""


class LiveSubject(Table):
    """A subject of the page."""

    label: str
    title: str
    transport: str
    options: Mapping[str, Any] = Field(default_factory=dict)
    """The options of its transport, which its client in the page may read."""
    servers: Annotated[tuple[LiveServer, ...], Field(min_length=1)]


class LiveConfig(Table):
    """The configuration of the page's process."""

    port: Port
    clock_origin_ns: int
    feed: str
    """A description of the feed, for readers."""
    rooms: tuple[str, ...] = ()
    """The rooms to which a reader may write; none where the feed takes no messages."""
    subjects: tuple[LiveSubject, ...]
    notes: tuple[str, ...] = ()
    """Sentences for readers, such as what is left out."""


def origins(port: int) -> tuple[str, ...]:
    """Return the origins of a page that is served on `port`, which its servers have to allow."""
    return tuple(f"http://{name}:{port}" for name in (LOCALHOST, "localhost"))


def on_page(prepared: PreparedScenario, labels: Iterable[str]) -> list[str]:
    """Return the labels whose servers a page can read from: with a client for it, and without TLS.

    No browser trusts the certificate that such a server makes for itself.
    """
    subjects, options = prepared.scenario.transports, prepared.options
    return [label for label in labels
            if describe(subjects[label].transport).live is not None and not _is_secure(options[label])]


def _is_secure(options: Table) -> bool:
    return isinstance(options, Wire) and options.tls


def flushed(prepared: PreparedScenario, labels: Iterable[str]) -> dict[str, PushWire]:
    """Return the options of the second servers of pushes on the page: the other way to flush."""
    pushes = {label: prepared.options[label] for label in on_page(prepared, labels)}
    return {label: options.model_copy(update={"flush_ms": 0.0 if options.flush_ms else FLUSH_MS})
            for label, options in pushes.items() if isinstance(options, PushWire)}


def page_config(prepared: PreparedScenario, port: int, ports: Mapping[str, int], other_ports: Mapping[str, int],
                clock: RunClock) -> LiveConfig:
    """Return the configuration of the live page on `port`, for servers at `ports`, and second ones at `other_ports`."""
    from bench.feed.schedule import symbol_names  # here, since the page's process needs no numpy

    shown, others = on_page(prepared, ports), flushed(prepared, ports)
    subjects = []
    for label in shown:
        options, kind = prepared.options[label], prepared.scenario.transports[label].transport
        flush_ms = options.flush_ms if isinstance(options, PushWire) else None
        servers = [LiveServer(port=ports[label], flush_ms=flush_ms)]
        if label in others:
            servers.append(LiveServer(port=other_ports[label], flush_ms=others[label].flush_ms))
        subjects.append(LiveSubject(
            label=label, title=page_title(label, kind), transport=kind, options=options.model_dump(mode="json"),
            servers=tuple(servers)))
    notes = tuple(f"{label} is not shown: a page can't read from it." for label in ports if label not in shown)
    feed = prepared.scenario.feed
    rooms = symbol_names(feed.symbols) if feed.source == "clients" else ()
    return LiveConfig(port=port, clock_origin_ns=clock.origin_ns, feed=feed_text(feed), rooms=rooms,
                      subjects=tuple(subjects), notes=notes)


def page_title(label: str, transport: str) -> str:
    """Return the heading of a subject: its transport's title, and its label where that is another name."""
    title = describe(transport).title
    title = title[:1].upper() + title[1:]
    return title if label == transport else f"{title} ({label})"


def feed_text(feed: Feed) -> str:
    """Return a description of the feed."""
    if feed.schedule == "replay":
        return "the trades of a file"
    if feed.source == "clients":
        return f"the messages that are sent by hand, in {feed.symbols} rooms"
    return f"{feed.rate_per_s:g} updates per second on {feed.symbols} symbols"
