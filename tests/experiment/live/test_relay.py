"""A relay passes on every byte both ways and counts it; a cut resets what is there and what comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bench.experiment.live.relay import Relay

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def relayed(*greetings: bytes) -> AsyncIterator[tuple[Relay, Callable[[], Awaitable[Ends]]]]:
    """Yield a relay to servers that greet and then echo to the end, and a function that connects through it."""
    async def answer(greeting: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while data := await reader.read(9):
            writer.write(data)
        writer.close()

    servers = [await asyncio.start_server(lambda r, w, g=each: answer(g, r, w), "127.0.0.1", 0) for each in greetings]
    relay = Relay([server.sockets[0].getsockname()[1] for server in servers])
    port = await relay.open()
    try:
        yield relay, lambda: asyncio.open_connection("127.0.0.1", port)
    finally:
        relay.close()
        for server in servers:
            server.close()


def run(law: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(law(), 20))


def test_every_byte_is_passed_on_and_counted_and_so_is_the_end_of_a_side() -> None:
    async def law() -> None:
        async with relayed(b"hello") as (relay, connect):
            reader, writer = await connect()
            sent = b"x" * 1_000_000
            writer.write(sent)
            writer.write_eof()
            assert await reader.read(-1) == b"hello" + sent
            assert (relay.bytes_up, relay.bytes_down, relay.connections) == (len(sent), 5 + len(sent), 1)
            writer.close()
    run(law)


def test_a_cut_resets_what_is_there_and_what_comes_until_it_is_over() -> None:
    async def law() -> None:
        async with relayed(b"hello") as (relay, connect):
            reader, _ = await connect()
            assert await reader.read(5) == b"hello"
            relay.cut(30.0)
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
            reader, _ = await connect()
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
            assert 0 < relay.cut_s <= 30
            relay.cut(0.0)
            reader, _ = await connect()
            assert await reader.read(5) == b"hello"
            assert (relay.cut_s, relay.connections) == (0, 2)
    run(law)


def test_a_switch_resets_and_leads_to_the_other_server() -> None:
    async def law() -> None:
        async with relayed(b"one", b"two") as (relay, connect):
            reader, _ = await connect()
            assert await reader.read(3) == b"one"
            relay.switch(1)
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
            reader, _ = await connect()
            assert await reader.read(3) == b"two"
    run(law)


def test_a_server_that_is_gone_ends_the_connection() -> None:
    async def law() -> None:
        async with relayed() as (relay, connect):
            taken = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
            relay.ports = [taken.sockets[0].getsockname()[1]]
            taken.close()
            await taken.wait_closed()
            reader, _ = await connect()
            assert await reader.read(-1) == b""
    run(law)
