"""Receivers that take without giving, for `isolation`: prints the ports of the one that hangs, of the one that sends a
byte a second, and of the one that answers 200 and streams for ever."""

from __future__ import annotations

import asyncio

PIECE = b"x" * 65_536


async def main() -> None:
    servers = [await asyncio.start_server(kind, "127.0.0.1", 0) for kind in (_hang, _trickle, _stream)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def _trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    await _each_second(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".ljust(600, b" "))


async def _stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    try:
        while True:
            writer.write(PIECE)
            await writer.drain()
    except ConnectionError:
        writer.close()  # as it should be: nobody reads that


async def _each_second(writer: asyncio.StreamWriter, data: bytes) -> None:
    try:
        for place in range(len(data)):
            writer.write(data[place : place + 1])
            await writer.drain()
            await asyncio.sleep(1.0)
    except ConnectionError:
        writer.close()


if __name__ == "__main__":
    asyncio.run(main())
