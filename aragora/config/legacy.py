"""Constants that no environment variable changes; where one does, `aragora.config.settings` has it."""

from __future__ import annotations

from typing import Final

HTTP_PORT: Final = 8080
WS_PORT: Final = 8765
HOST: Final = "127.0.0.1"
DATA_DIR: Final = ".nomic"
RAY_NAMESPACE: Final = "aragora"

QUESTION_MAX_CHARS: Final = 20_000
CONTEXT_MAX_CHARS: Final = 100_000
MAX_AGENTS_PER_DEBATE: Final = 20
MAX_ROUNDS: Final = 10

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200
EVENTS_PAGE_MAX: Final = 1000

WS_MAX_CONNECTIONS: Final = 10_000
WS_SEND_QUEUE: Final = 1_000
WS_HEARTBEAT_S: Final = 30.0

BREAKER_FAILURE_THRESHOLD: Final = 5
BREAKER_OPEN_S: Final = 60.0
ELO_START: Final = 1500.0
ELO_K: Final = 32.0
