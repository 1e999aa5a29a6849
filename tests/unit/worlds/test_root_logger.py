"""A test that sets up logs leaves no handler behind that writes into what is closed by then."""

from __future__ import annotations

import io
import logging

from worlds.root_logger import root_logger_as_it_was


def test_handlers_and_level_are_as_before() -> None:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    with root_logger_as_it_was():
        logging.basicConfig(level=logging.ERROR, stream=io.StringIO(), force=True)
        (came,) = root.handlers
        assert came not in before
    assert root.handlers == before
    assert root.level == level
