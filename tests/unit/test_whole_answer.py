"""Answers are read to their end, however they are cut into segments, and never beyond the bound."""

from __future__ import annotations

import asyncio
from unittest.mock import MagicMock

import pytest
from aiohttp import StreamReader
from hypothesis import given
from hypothesis import strategies as st

from aragora.whole_answer import AnswerTooLarge, read_whole


def content_of(*segments: bytes) -> StreamReader:
    """An answer that comes in these segments."""
    content = StreamReader(MagicMock(), 2**16, loop=asyncio.get_running_loop())
    for segment in segments:
        content.feed_data(segment)
    return content


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=10))
def test_every_segment_is_read(segments: list[bytes]) -> None:
    async def whole() -> bytes:
        content = content_of(*segments)
        content.feed_eof()
        return await read_whole(content, 1000)

    assert asyncio.run(whole()) == b"".join(segments)


async def test_a_segment_that_comes_later_is_waited_for() -> None:
    content = content_of(b'{"half":')
    reading = asyncio.create_task(read_whole(content, 1000))
    await asyncio.sleep(0)
    content.feed_data(b" true}")
    content.feed_eof()
    assert await reading == b'{"half": true}'


async def test_an_answer_beyond_the_bound_is_refused_before_its_end() -> None:
    with pytest.raises(AnswerTooLarge):
        await read_whole(content_of(b"x" * 600, b"x" * 600), 1000)
