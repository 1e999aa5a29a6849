"""The root logger as it was before: a command that a test runs in this process sets up logs of its own, whose handler
would go on writing into the test's closed streams."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def root_logger_as_it_was() -> Iterator[None]:
    """Handlers and level of the root logger, whatever is done to them inside."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for came in [handler for handler in root.handlers if handler not in before]:
        root.removeHandler(came)
        came.close()
    for gone in [handler for handler in before if handler not in root.handlers]:
        root.addHandler(gone)
    root.setLevel(level)
