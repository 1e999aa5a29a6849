"""A fresh engine with its surroundings for every test."""

from __future__ import annotations

import pytest
from worlds.memory_engine import World


@pytest.fixture
def world() -> World:
    return World()
