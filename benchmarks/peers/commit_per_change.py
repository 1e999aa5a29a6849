"""A naive sender of webhooks, beside which ours is read: every change of a delivery's state is a commit of its own."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import sqlite3
import time
from pathlib import Path

import aiohttp

CLIENTS = 100


async def per_s(directory: Path, url: str, count: int, body: bytes) -> float:
    """Deliveries a second: the row, its taking up and its result are each a transaction with `synchronous=FULL`."""
    connection = sqlite3.connect(directory / "naive.db", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE deliveries (id INTEGER PRIMARY KEY, body BLOB, status TEXT, code INTEGER)")
    one_at_a_time = asyncio.Lock()
    left = iter(range(count))

    async def write(statement: str, values: tuple[object, ...]) -> None:
        async with one_at_a_time:
            await asyncio.to_thread(connection.execute, statement, values)

    async def work(session: aiohttp.ClientSession) -> None:
        for number in left:
            await write("INSERT INTO deliveries VALUES (?, ?, 'PENDING', NULL)", (number, body))
            await write("UPDATE deliveries SET status = 'IN_PROGRESS' WHERE id = ?", (number,))
            signature = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
            async with session.post(url, data=body, headers={"X-Webhook-Signature": signature}) as answer:
                await answer.read()
                code = answer.status
            await write("UPDATE deliveries SET status = 'DELIVERED', code = ? WHERE id = ?", (code, number))

    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            began = time.monotonic()
            await asyncio.gather(*(work(session) for _ in range(CLIENTS)))
            return count / (time.monotonic() - began)
    finally:
        connection.close()
