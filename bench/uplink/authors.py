"""The rooms of clients, and the author of each message.

    client k is in the rooms k·n, k·n + 1, … k·n + n − 1, modulo their number       n = load.symbols_per_client

So rooms differ by one client at most, and with 100 clients, 5 rooms and n = 1 each room has 20. Without n every client
is in every room. A message's author is drawn uniformly from the members of its room, from the trial's seed: it depends
on the number of clients, while due instants and rooms do not.

Known weakness: authors are independent of one another, so nobody answers the message before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.feed.schedule import Schedule

SALT = 0x61757468
"""Keeps the draw of authors apart from other draws of the same seed."""


def rooms_of(client: int, rooms: int, each: int) -> list[int]:
    """Return the rooms of one client, of `rooms` in all; `each` is their number per client."""
    return sorted((client * each + place) % rooms for place in range(min(each, rooms)))


def subscriptions(symbols: Sequence[str], clients: int, each: int | None) -> list[list[str]] | None:
    """Return the symbols of each client; None if every client has all."""
    if each is None or each >= len(symbols):
        return None
    return [[symbols[room] for room in rooms_of(client, len(symbols), each)] for client in range(clients)]


def members(rooms: int, clients: int, each: int | None) -> list[list[int]]:
    """Return the clients of each room, ascending."""
    if each is None or each >= rooms:
        return [list(range(clients)) for _ in range(rooms)]
    found: list[list[int]] = [[] for _ in range(rooms)]
    for client in range(clients):
        for room in rooms_of(client, rooms, each):
            found[room].append(client)
    return found


def authors(schedule: Schedule, clients: int, each: int | None) -> npt.NDArray[np.int64]:
    """Return the author of each message of the schedule, by index.

    Every room must have a client: `clients` · `each` is at least the number of symbols.
    """
    of_room = members(len(schedule.symbols), clients, each)
    assert all(of_room), "a room without a client has no author"
    draws = np.random.Generator(np.random.PCG64([schedule.seed, SALT])).random(len(schedule))
    sizes = np.array([len(room) for room in of_room])[schedule.symbol]
    places = (draws * sizes).astype(np.int64)
    starts = np.cumsum([0, *(len(room) for room in of_room)])[schedule.symbol]
    flat = np.array([client for room in of_room for client in room], dtype=np.int64)
    return np.asarray(flat[starts + places], dtype=np.int64)
