"""The trials of a run and their order, from (scenario, seed) alone.

Every (subject, client count) is a cell. A run consists of blocks. In each block every cell is measured once,
in an order of the block's own:

    block 1   short_polling-100   websocket-10   long_polling-10   …
    block 2   websocket-10   long_polling-100   …

Slow changes on the machine (heat, other users) therefore affect all cells equally (randomised complete
blocks). All cells of a block get the same seed, and so the same ticks, subscriptions and poll phases (common
random numbers): comparisons are made within blocks, where common effects cancel.

Seeds are hashes of the scenario's seed and a few words. No two draws share a sequence, and an additional cell
or block leaves the seeds of the others unchanged.

Known weakness: an effect that lasts from one trial into the next (a cache, a turbo budget) is balanced only
by chance, not by design.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Mapping, Sequence

from bench import transports
from bench.errors import ScenarioError
from bench.records.manifest import PlannedTrial
from bench.scenario.fields import Table
from bench.scenario.model import BROWSER, DEFAULT_CLIENT, Load, Scenario
from bench.scenario.parsing import value_text
from bench.wire.options import Wire

LABEL = re.compile(r"[A-Za-z0-9_]{1,40}( [a-z_]{1,40}=[A-Za-z0-9_.+-]{1,40})?")
"""A label as a user writes it; the part after the space is that of a sweep."""
SHORTEST_LATE_S = 1.0
INTERVALS_LATE = 1.5
"""Longest time, in poll intervals or flushes, that an update may take without being late: a whole interval of
waiting is allowed."""
SHORTEST_WARMUP_S = 1.0
PAGES_MOST = 20
"""The most pages of a browser in a trial."""
OF_PAGES = {"tls": False, "headers": "browser", "request_headers": None, "connection": "keep-alive", "pace": "rate",
            "jitter": 0.0}
"""Options that our own clients carry out in several ways and pages in this one: a browser has its own headers,
connections and trust, and its clients one schedule."""
OPENING_S = 0.2
"""Time in s to request, answer and read the opening ticks, besides the wait for a poll."""


def derive(seed: int, *words: object) -> int:
    """Return a seed of 63 bits derived from a seed and the words that name its use."""
    text = "/".join(str(word) for word in (seed, *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def cells_of(scenario: Scenario) -> list[tuple[str, int]]:
    """Return the cells of a run: label of the subject and client count."""
    return [(label, clients) for label in scenario.transports for clients in scenario.load.clients]


def trials(scenario: Scenario) -> list[PlannedTrial]:
    """Return all trials that a run may make, in order; `trials.until` can end it after any block.

    A search has no plan: its list is empty.
    """
    if scenario.capacity is not None:
        return []   # each step depends on those before: `bench.experiment.capacity_search`
    cells = cells_of(scenario)
    count = scenario.trials.blocks
    block_width, position_width = len(str(count)), len(str(len(cells)))
    clients_width = len(str(max(scenario.load.clients)))
    planned = []
    for block in range(1, count + 1):
        order = random.Random(derive(scenario.seed, "order", block)).sample(cells, len(cells))
        for position, (label, clients) in enumerate(order, 1):
            planned.append(PlannedTrial(
                name=f"{block:0{block_width}}-{position:0{position_width}}-{in_a_name(label)}-{clients:0{clients_width}}",
                block=block, position=position, subject=label,
                transport=scenario.transports[label].transport,
                clients=clients, seed=derive(scenario.seed, "block", block),
                server=scenario.transports[label].implementation, client=scenario.transports[label].client,
            ))
    return planned


def in_a_name(label: str) -> str:
    """Return a label as it is in the name of a trial, which is that of a folder."""
    return label.replace(" ", "_").replace(".", "_")


def subscription(load: Load, names: Sequence[str], client: int, seed: int) -> list[str] | None:
    """Return the symbols of one client, drawn from the trial's seed; None if every client has all."""
    size = load.symbols_per_client
    if size is None or size >= len(names):
        return None
    return sorted(random.Random(derive(seed, "symbols", client)).sample(names, size))


def subscriptions(load: Load, names: Sequence[str], clients: int, seed: int) -> list[list[str]] | None:
    """Return the symbols of each client; None if every client has all.

    Client k's draw does not depend on the number of clients.
    """
    drawn = (subscription(load, names, client, seed) for client in range(clients))
    return [wanted for wanted in drawn if wanted is not None] or None


def options_of_all(scenario: Scenario, where: str) -> dict[str, Table]:
    """Return every subject's options, validated by its transport; `where` names the scenario in errors."""
    return {
        label: transports.options(label, subject, where) for label, subject in scenario.transports.items()
    }


def longest_interval_s(options: Mapping[str, Table]) -> float:
    """Return the longest time between two polls of any subject, jitter included, or between two flushes of a push,
    in s; 0 if none polls or flushes."""
    return max((
        float(getattr(each, "interval_s", 0.0)) * (1 + float(getattr(each, "jitter", 0.0)))
        + float(getattr(each, "flush_ms", 0.0)) / 1000
        for each in options.values()
    ), default=0.0)


def late_after_s(scenario: Scenario, options: Mapping[str, Table]) -> float:
    """Return ℓ of the run, in s; it is common to all subjects, so that their fates can be compared."""
    if scenario.windows.late_after_s is not None:
        return scenario.windows.late_after_s
    return max(SHORTEST_LATE_S, INTERVALS_LATE * longest_interval_s(options))


def warmup_least_s(scenario: Scenario, options: Mapping[str, Table]) -> float:
    """Return the shortest warm-up, in s, after which each client knows something of every symbol.

    It is the longest poll interval or flush, plus the round trip of a simulated network, plus `OPENING_S`, rounded up
    to whole ms.
    """
    table = scenario.simulation
    network_s = sum(table.delays_s or (0.0, 0.0)) + 2 * table.jitter_ms / 1000
    return math.ceil(1000 * (longest_interval_s(options) + network_s + OPENING_S) - 1e-6) / 1000


def warmup_s(scenario: Scenario, options: Mapping[str, Table]) -> float:
    """Return the length of the warm-up in s, common to all subjects."""
    if scenario.windows.warmup_s is not None:
        return scenario.windows.warmup_s
    return max(SHORTEST_WARMUP_S, warmup_least_s(scenario, options))


def horizon_s(scenario: Scenario, options: Mapping[str, Table]) -> float:
    """Return the length of a trial's feed in s, from the beginning of warm-up to the end of the drain."""
    windows = scenario.windows
    return warmup_s(scenario, options) + windows.measure_s + 2 * late_after_s(scenario, options)


def check(scenario: Scenario, options: Mapping[str, Table], where: str) -> None:
    """Raise `ScenarioError` where the fields are valid one by one but the scenario can't give an answer."""
    def refuse(field: str, found: object, allowed: str) -> None:
        raise ScenarioError(where, field, str(found), allowed)

    for label in scenario.transports:
        if not LABEL.fullmatch(label):
            refuse(f"transports.{label}", repr(label), "up to 40 letters, digits and underscores")
    _check_own_servers(scenario, options, where)
    _check_messages(scenario, where)
    _check_browsers(scenario, options, where)
    clients = scenario.load.clients
    if len(set(clients)) < len(clients):
        refuse("load.clients", list(clients), "each count once")
    rule = scenario.trials.rule
    if rule and rule.subject not in (None, *scenario.transports):
        refuse("trials.until", repr(rule.subject), "one of " + ", ".join(scenario.transports))
    if rule and rule.clients not in (None, *clients):
        refuse("trials.until", rule.clients, f"one of load.clients = {list(clients)}")
    given_s, least_s = scenario.windows.warmup_s, warmup_least_s(scenario, options)
    if given_s is not None and given_s < least_s:
        refuse("windows.warmup_s", given_s, f"at least {least_s:g}: the longest poll interval, or flush, and a "
               "little more, so that each client knows something of every symbol when measuring begins")
    feed, size = scenario.feed, scenario.load.symbols_per_client
    if feed.schedule == "replay":
        return   # its rate and its symbols are in the file
    if size is not None and size > feed.symbols:
        refuse("load.symbols_per_client", size, f"at most feed.symbols = {feed.symbols}")
    check_room(scenario, feed.symbols, 2 * feed.rate_per_s * longest_interval_s(options), where)


def _check_messages(scenario: Scenario, where: str) -> None:
    """Raise `ScenarioError` where clients are to send messages, and the scenario has something that this excludes."""
    if scenario.feed.source != "clients":
        return
    load, symbols = scenario.load, scenario.feed.symbols
    because = "where feed.source is clients"
    each, least = load.symbols_per_client, min(load.clients)
    if load.mode != "every":
        raise ScenarioError(where, "load.mode", load.mode, f"every {because}: no message replaces another")
    if each is not None and each * least < symbols:
        raise ScenarioError(
            where, "load.clients", str(least), f"at least {math.ceil(symbols / each)} {because}: each of the {symbols} "
            "rooms (feed.symbols) has a client that writes")
    if scenario.capacity is not None:
        raise ScenarioError(where, "capacity", "a search",
                            f"none {because}: it is not defined which level of what would hold")
    for label, subject in scenario.transports.items():
        if subject.external is not None:
            raise ScenarioError(where, f"transports.{label}.server", "a server of your own",
                                f"one of {', '.join(transports.servers(subject.transport))} {because}")
        if transports.two_way(subject.transport) is None:
            able = [name for name in transports.names() if transports.two_way(name) is not None]
            raise ScenarioError(where, f"transports.{label}.transport", repr(subject.transport),
                                f"{', '.join(able)} {because}: the others have clients that only listen")


def _check_browsers(scenario: Scenario, options: Mapping[str, Table], where: str) -> None:
    """Raise `ScenarioError` where a page is to be the client, and the scenario has something that no page can do."""
    capacity = scenario.capacity
    counts = (capacity.most,) if capacity and capacity.raised == "clients" else scenario.load.clients
    for label, subject in scenario.transports.items():
        if subject.client != BROWSER:
            continue
        field = f"transports.{label}"
        if subject.external is not None:
            raise ScenarioError(where, f"{field}.client", repr(BROWSER),
                                f"{DEFAULT_CLIENT!r} with a server of your own, which may not allow a page's origin")
        if transports.describe(subject.transport).live is None:
            raise ScenarioError(where, f"{field}.client", repr(BROWSER),
                                f"{DEFAULT_CLIENT!r}: {subject.transport} has no client in a page")
        if scenario.feed.source == "clients":
            raise ScenarioError(where, f"{field}.client", repr(BROWSER),
                                f"{DEFAULT_CLIENT!r} where feed.source is clients: a page only listens")
        if max(counts) > PAGES_MOST:
            raise ScenarioError(where, "capacity.most" if capacity else "load.clients", str(max(counts)),
                                f"at most {PAGES_MOST} where {field}.client is {BROWSER}: each client is a page")
        for name, only in OF_PAGES.items():
            found = getattr(options[label], name, only)
            if found != only:
                raise ScenarioError(where, f"{field}.{name}", value_text(found),
                                    f"{value_text(only)} where its client is a browser, which goes its own way there")


def check_room(scenario: Scenario, symbols: int, waiting: float, where: str) -> None:
    """Raise `ScenarioError` where a server holds fewer ticks than the feed's opening needs.

    The opening needs one tick for each of `symbols`, and `waiting` more. A client's buffer holds only ticks of the
    symbols that it subscribes to, of which each has its equal part of `waiting`.
    """
    server, of_each = scenario.server, min(scenario.load.symbols_per_client or symbols, symbols)
    held = (("server.slow_client.buffer_ticks", server.slow_client.buffer_ticks, of_each),
            ("server.tape_ticks", server.tape_ticks, symbols))
    for field, ticks, opening in held:
        least = opening + waiting * opening / symbols
        if ticks < least:
            raise ScenarioError(
                where, field, str(ticks), f"at least {math.ceil(least)}: a tick of each symbol, which "
                "the feed opens with, and twice what falls due between two polls or flushes, or a client that keeps "
                "its schedule would be taken for a slow one")


def _check_own_servers(scenario: Scenario, options: Mapping[str, Table], where: str) -> None:
    """Raise `ScenarioError` for options that a server of the user's own can't be given."""
    for label, subject in scenario.transports.items():
        wire = options.get(label)
        if subject.external is None or not isinstance(wire, Wire):
            continue
        if wire.tls:
            raise ScenarioError(where, f"transports.{label}.tls", "true",
                                "false: a server of your own is reached without TLS")
        if wire.response_headers is not None:
            raise ScenarioError(where, f"transports.{label}.response_headers", "a list",
                                "none: a server of your own chooses its headers itself")
