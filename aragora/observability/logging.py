"""JSON logs, one line an entry, for `jq` and for `grep "agent=NAME"` alike.

Every entry has timestamp, level, logger and event; request_id, debate_id and agent where they are bound or given,
latency_s and tokens where they are known. What the standard library's loggers say (Ray, uvicorn, SQLAlchemy) takes
the same form. The text of `event` repeats the agent as `agent=NAME`. Secrets are redacted last.
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TextIO

import structlog
from structlog.typing import EventDict, Processor

from aragora import encoding
from aragora.errors import Misconfigured
from aragora.observability.redaction import Redactor

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
_FIRST: Final = ("timestamp", "level", "event", "logger", "request_id", "debate_id", "agent", "latency_s", "tokens")
_CHATTY: Final = ("asyncio", "aiosqlite", "httpx", "httpx2", "httpcore", "urllib3", "openai", "anthropic")

_LEARNT: Final[set[str]] = set()  # secrets that were no settings when the logs were set up; it only grows

bound = structlog.contextvars.bound_contextvars
"""`with bound(request_id=..., debate_id=..., agent=...):` adds these fields to every entry inside, in this task."""


class LogSettings(Protocol):
    """What logging needs of the settings; every `SecretStr` among them is kept out of the logs."""

    @property
    def log_level(self) -> str: ...
    @property
    def log_file(self) -> Path | None: ...
    @property
    def data_dir(self) -> Path: ...


def configure_logging(settings: LogSettings) -> None:
    """Set up a process of the server as the settings say: level from ARAGORA_LOG_LEVEL, entries to `log_file_of`."""
    setup(settings.log_level, secrets=_secrets_of(settings), path=log_file_of(settings))


def log_file_of(settings: LogSettings) -> Path:
    """The file that every process of the server appends to: ARAGORA_LOG_FILE, or logs/server.log of the data."""
    return settings.log_file or settings.data_dir / "logs" / "server.log"


def setup(level: str, *, secrets: Iterable[str] = (), path: Path | None = None, stream: TextIO | None = None) -> None:
    """Set up this process: entries from `level` on go to the file at `path`, or to `stream` (standard error).

    A file that is moved away (logrotate) is opened anew. Calling again replaces the earlier set-up. Raises
    Misconfigured for a level that is none.
    """
    if level not in LEVELS:
        raise Misconfigured(f"ARAGORA_LOG_LEVEL is {level!r}: use one of {', '.join(LEVELS)}")
    own: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *own,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # loggers made at import time must follow this set-up
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=own,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _name_the_agent,
            _Redacting(secrets),
            _in_order,
            _json,
        ],
    )
    _install(_handler(path, stream), formatter, level)


def keep_out(secrets: Iterable[str]) -> None:
    """Keep these out of all that this process logs from now on, besides the secrets of the settings."""
    _LEARNT.update(secrets)


def _handler(path: Path | None, stream: TextIO | None) -> logging.Handler:
    if path is None:
        return logging.StreamHandler(stream or sys.stderr)
    path.parent.mkdir(parents=True, exist_ok=True)
    return logging.handlers.WatchedFileHandler(path, encoding="utf-8")


def _install(handler: logging.Handler, formatter: logging.Formatter, level: str) -> None:
    handler.setFormatter(formatter)
    handler.set_name("aragora")
    root = logging.getLogger()
    for old in [one for one in root.handlers if one.get_name() == "aragora"]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)  # their debug output holds request bodies


def _secrets_of(settings: object) -> list[str]:
    revealing = (getattr(value, "get_secret_value", None) for value in vars(settings).values())
    return [secret for reveal in revealing if reveal is not None and isinstance(secret := reveal(), str)]


def _name_the_agent(_logger: Any, _method: str, entry: EventDict) -> EventDict:
    agent, text = entry.get("agent"), str(entry.get("event", ""))
    if agent and f"agent={agent}" not in text:
        entry["event"] = f"{text} agent={agent}"
    return entry


class _Redacting:
    """Takes the secrets out of an entry: those that were configured, and those that became known since."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._configured = frozenset(secrets)
        self._known: frozenset[str] = frozenset()
        self._redactor = Redactor(self._configured)

    def __call__(self, _logger: Any, _method: str, entry: EventDict) -> EventDict:
        if len(_LEARNT) != len(self._known):  # it only grows
            self._known = frozenset(_LEARNT)
            self._redactor = Redactor(self._configured | self._known)
        return self._redactor.mapping(entry)


def _in_order(_logger: Any, _method: str, entry: EventDict) -> EventDict:
    known = {name: entry[name] for name in _FIRST if name in entry}
    return known | {name: value for name, value in entry.items() if name not in known}


def _json(_logger: Any, _method: str, entry: Mapping[str, Any]) -> str:
    try:
        return encoding.encode_text(entry)
    except (
        encoding.NotEncodable,
        OverflowError,
        TypeError,
    ):  # half characters, NaN, a library's own floats: show them rather than lose the entry
        return encoding.encode_text({name: _escaped(value) for name, value in entry.items()})


def _escaped(value: object) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode()
