"""Reading an HTTP answer of aiohttp to its end, within a bound.

`content.read(n)` of aiohttp returns what has come so far, not n bytes: half an answer where it comes in two segments.
`read()` without a number reads whatever a stranger sends, however much that is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import StreamReader


class AnswerTooLarge(ValueError):
    """The answer is over the bound; what was read of it is gone."""


async def read_whole(content: StreamReader, max_bytes: int) -> bytes:
    """The whole body of an answer. Raises AnswerTooLarge over `max_bytes`, and what aiohttp raises where it breaks off.

    The bound holds for what is unpacked, so a small compressed answer cannot grow beyond it.
    """
    whole = bytearray()
    async for chunk in content.iter_any():
        whole += chunk
        if len(whole) > max_bytes:
            raise AnswerTooLarge(f"more than {max_bytes} bytes")
    return bytes(whole)
