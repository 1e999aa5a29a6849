from __future__ import annotations

import io
import json
import logging
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from aragora.errors import Misconfigured
from aragora.observability.logging import bound, configure_logging, keep_out, setup

Entries = Callable[[], list[dict[str, Any]]]
SECRET = "correct,horse-battery"


def _refuse(text: str) -> None:
    raise RuntimeError(text)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(autouse=True)
def quiet_again() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    for handler in [one for one in root.handlers if one.get_name() == "aragora"]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def entries(stream: io.StringIO) -> Entries:
    setup("INFO", secrets=[SECRET], stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_entry_carries_what_is_bound_and_what_is_given(entries: Entries) -> None:
    with bound(request_id="req_1", debate_id="deb_1"):
        structlog.get_logger("aragora.agents").info("answered", agent="openai-api", latency_s=1.5, tokens=120)
    (entry,) = entries()
    assert list(entry)[:4] == ["timestamp", "level", "event", "logger"]
    assert entry["timestamp"].endswith("Z")
    assert {
        name: entry[name] for name in ("level", "logger", "request_id", "debate_id", "agent", "latency_s", "tokens")
    } == {
        "level": "info",
        "logger": "aragora.agents",
        "request_id": "req_1",
        "debate_id": "deb_1",
        "agent": "openai-api",
        "latency_s": 1.5,
        "tokens": 120,
    }


def test_grep_for_an_agent_finds_the_line(entries: Entries, stream: io.StringIO, tmp_path: Path) -> None:
    structlog.get_logger().warning("timed out", agent="openai-api")
    structlog.get_logger().warning("timed out", agent="claude")
    log = tmp_path / "server.log"
    log.write_text(stream.getvalue())
    found = subprocess.run(
        ["grep", "agent=openai-api", str(log)], capture_output=True, text=True, timeout=60, check=True
    )
    assert [json.loads(line)["agent"] for line in found.stdout.splitlines()] == ["openai-api"]


def test_the_standard_librarys_loggers_take_the_same_form(entries: Entries) -> None:
    with bound(debate_id="deb_1"):
        logging.getLogger("uvicorn.error").error("port %d is taken", 8080)
    (entry,) = entries()
    assert (entry["event"], entry["level"], entry["debate_id"]) == ("port 8080 is taken", "error", "deb_1")


def test_entries_below_the_level_are_dropped(entries: Entries) -> None:
    structlog.get_logger("aragora").debug("detail")
    logging.getLogger("aragora").debug("detail")
    assert entries() == []


def test_a_logger_made_before_the_set_up_follows_it(stream: io.StringIO) -> None:
    early = structlog.get_logger("aragora.early")
    setup("INFO", stream=stream)
    early.info("hello")
    assert json.loads(stream.getvalue())["logger"] == "aragora.early"


def test_setting_up_again_replaces_the_first(stream: io.StringIO, entries: Entries) -> None:
    setup("INFO", stream=stream)
    structlog.get_logger().info("once")
    assert len(entries()) == 1


def test_a_traceback_is_one_line_and_keeps_no_secret(entries: Entries) -> None:
    try:
        _refuse(f"refused {SECRET}")
    except RuntimeError:
        structlog.get_logger().exception("failed")
    (entry,) = entries()
    assert "RuntimeError: refused [redacted]" in entry["exception"]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key is {}", "horse-battery"),
        ("Authorization: Bearer {}", "abcdef0123456789"),
        ("sent {}", "sk-ant-api03-abcdefghijkl"),
        ("GET /ws?token={}&x=1", "ticket-12345"),
        ("postgresql://aragora:{}@db/aragora", "hunter22"),
        ("1x+postgres.db-2://aragora:{}@db/aragora", "hunter22"),
        ("token-eyJhbGciOiJIUzI1NiJ9.{}.c2ln", "eyJzdWIiOiJhZGEifQ"),
        ("got eyJhbGciOiJIUzI1NiJ9.{}.c2ln", "eyJzdWIiOiJhZGEifQ"),
        ('{{"api_key": "{}"}}', "abcd1234"),
        ("gemini {}", "AIzaSyA1234567890abcdefghijklm"),
        ("signed with {}", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD/w=="),
        ("{} is a private key", "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbf"),
    ],
)
def test_credentials_never_reach_the_log(entries: Entries, stream: io.StringIO, text: str, secret: str) -> None:
    structlog.get_logger().info(text.format(secret), nested={"list": [text.format(secret)]})
    logging.getLogger("library").warning(text.format(secret))
    assert secret not in stream.getvalue()
    assert len(entries()) == 2


def test_fields_named_like_secrets_are_blotted_out_but_counts_of_tokens_are_not(entries: Entries) -> None:
    structlog.get_logger().info("login", password="x1y2", api_key="k", access_token="t", tokens=7, input_tokens=3)
    (entry,) = entries()
    assert [entry[name] for name in ("password", "api_key", "access_token")] == ["[redacted]"] * 3
    assert (entry["tokens"], entry["input_tokens"]) == (7, 3)


class OwnFloat(float):
    """A number as numpy has them."""


def test_a_number_of_a_librarys_own_kind_does_not_lose_its_entry(entries: Entries) -> None:
    structlog.get_logger().info("measured", share=OwnFloat(1.5))
    (entry,) = entries()
    assert (entry["event"], entry["share"]) == ("measured", "1.5")


def test_what_json_cannot_carry_is_logged_all_the_same(entries: Entries) -> None:
    structlog.get_logger().info(
        "odd \ud800",
        own=OwnFloat(1.5),
        value=object(),
        number=2**70,
        share=float("nan"),
        error=ValueError("x"),
        loop={1: {2: b"raw"}},
    )
    (entry,) = entries()
    assert entry["event"].startswith("odd")


def test_a_huge_text_is_cut(entries: Entries) -> None:
    structlog.get_logger().info("x" * 1_000_000)
    (entry,) = entries()
    assert len(entry["event"]) < 17_000
    assert "1000000 characters" in entry["event"]


def test_the_secrets_of_the_settings_are_kept_out_of_the_servers_log_file(tmp_path: Path) -> None:
    @dataclass
    class Settings:
        data_dir: Path
        log_level: str = "WARNING"
        log_file: Path | None = None
        jwt_secret: SecretStr | None = None
        unset: SecretStr | None = None

    configure_logging(Settings(tmp_path, jwt_secret=SecretStr("an-unusual-value")))
    structlog.get_logger().warning("it is an-unusual-value")
    told = (tmp_path / "logs" / "server.log").read_text()
    assert "an-unusual-value" not in told
    assert "[redacted]" in told


def test_a_log_file_survives_rotation(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    setup("INFO", path=path)
    structlog.get_logger().info("before")
    path.rename(tmp_path / "server.log.1")
    structlog.get_logger().info("after")
    assert json.loads(path.read_text())["event"] == "after"


def test_a_level_that_is_none_is_refused() -> None:
    with pytest.raises(Misconfigured, match="DEBUG, INFO, WARNING, ERROR"):
        setup("LOUD")


def test_a_secret_that_became_known_later_is_kept_out_too(entries: Entries) -> None:
    structlog.get_logger().info("before: a later secret")
    keep_out(["a later secret"])
    structlog.get_logger().info("after: a later secret, and " + SECRET)
    assert [entry["event"] for entry in entries()] == [
        "before: a later secret",
        "after: [redacted], and [redacted]",
    ]
