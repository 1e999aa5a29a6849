"""The server's process from start to exit: check, start the parts, say so, watch, drain.

Exit codes: 0 drained, 1 a part did not start, or died and cannot be replaced, 2 refused to start (one line per
problem), 3 the store cannot be used now.
The first SIGTERM or SIGINT drains; the second stops at once.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from aragora.clock import SystemClock
from aragora.composition.launch import has_local_operator
from aragora.composition.preflight import (
    close_to_others,
    misspelt,
    refuse_other_ray,
    refuse_to_start,
    single_instance,
)
from aragora.composition.stop_signals import StartInterrupted, StopSignals
from aragora.config.settings import Settings, settings_in
from aragora.errors import AragoraError, Misconfigured, Unavailable
from aragora.identity.origins import authority
from aragora.private_files import make_files_private
from aragora.texts import counted

WATCH_S: Final = 1.0
CLOSE_SOCKETS_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Options:
    """The command line; None leaves it to the settings."""

    http_port: int
    ws_port: int
    host: str
    workers: int | None
    data_dir: Path | None


def serve(options: Options) -> int:
    """Run the server until a signal ends it; returns the exit code."""
    make_files_private()  # before anything is made: Ray's processes inherit it
    stop = StopSignals()
    try:
        settings = settings_in(options.data_dir, options.workers)
        for line in misspelt(settings):
            _say(line, stream=sys.stderr)
        refuse_other_ray(settings)
        refuse_to_start(settings, options.host, ())
        with single_instance(settings.data_dir):
            for line in close_to_others(settings.data_dir):
                _say(line)
            refuse_to_start(settings, options.host, (options.http_port, options.ws_port))
            return _run(options, settings, stop)
    except Misconfigured as problem:
        for line in problem.message.splitlines():
            _say(f"error: {line}", stream=sys.stderr)
        return 2
    except StartInterrupted:
        _say("stopped before the start was complete")
        return 0
    except AragoraError as error:
        _say(f"error: {error.message}", stream=sys.stderr)
        return 1


def _run(options: Options, settings: Settings, stop: StopSignals) -> int:
    from aragora.composition.server_parts import ServerParts  # noqa: PLC0415 - what is refused above must not pay for importing Ray

    began = time.monotonic()
    with ExitStack() as cleanup:
        try:
            with _step("migrations"):
                from aragora.migrations.apply import apply_all  # noqa: PLC0415

                apply_all(settings)
                _mark_empty_stores(settings)
                _forget_again(settings)
        except Unavailable as away:
            _say(f"error: {away.message}", stream=sys.stderr)
            return 3
        stop.check()
        parts = ServerParts(settings, options.host, options.http_port, options.ws_port)
        cleanup.callback(parts.close)
        for name, start in parts.steps():
            with _step(name):
                stop.during(start)
        _say(_banner(options, settings, parts.dashboard_url, time.monotonic() - began))
        while not stop.wait(WATCH_S):
            parts.keep_jobs()
            dead = parts.dead()
            if dead:
                _say(f"error: {dead}; the server ends so that its supervisor can start it again", stream=sys.stderr)
                return 1
        _say(f"draining: running debates get up to {settings.drain_timeout_s:g} s")
        left = parts.drain(settings.drain_timeout_s, CLOSE_SOCKETS_S)
        _say("drained" if not left else f"drained; left for the next start: {counted(left, 'debate')}")
    return 0


def _forget_again(settings: Settings) -> None:
    """So that a store which was restored from a backup answers nothing that was forgotten since. Raises Unavailable."""
    from aragora.composition.forgetting import forget_again  # noqa: PLC0415

    again = asyncio.run(forget_again(settings, SystemClock()))
    if again:
        _say(f"a restored store of knowledge forgot again what {counted(again, 'certificate')} say")


def _mark_empty_stores(settings: Settings) -> None:
    """So that a fresh installation refuses plaintext from its first record on; says in which stores it is still read.
    Where a store is away, the next start does it."""
    from aragora.composition.encrypted_stores import STORES, mark_empty_stores  # noqa: PLC0415
    from aragora.migrations.history import data_dir_option  # noqa: PLC0415

    try:
        whole = asyncio.run(mark_empty_stores(settings, SystemClock()))
    except Unavailable as away:
        _say(f"warning: plaintext in stores of secrets is not refused yet: {away.message}", stream=sys.stderr)
        return
    if settings.encryption_key is not None and (still := [name for name in STORES if name not in whole]):
        _say(
            f"warning: plaintext secrets are still read in {', '.join(still)}: run `python -m "
            f"aragora.storage.migrations.encrypt_existing_data --all --execute{data_dir_option(settings)}`; where that was "
            "done before, somebody deleted the mark (docs/security.md, Secrets at rest)",
            stream=sys.stderr,
        )


@contextmanager
def _step(name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    _say(f"  {name:<14} {time.monotonic() - began:5.1f} s")


def _banner(options: Options, settings: Settings, dashboard: str | None, took_s: float) -> str:
    lines = [
        f"Aragora is ready after {took_s:.1f} s ({settings.env})",
        f"  HTTP       http://{authority(options.host, options.http_port)}",
        f"  WebSocket  ws://{authority(options.host, options.ws_port)}/ws",
        f"  data       {settings.data_dir}",
    ]
    if dashboard:
        lines.append(f"  dashboard  {dashboard}")
    if has_local_operator(settings, options.host):
        lines.append(
            "  access     whoever calls from this machine is the operator: before you put a proxy or a tunnel in"
        )
        lines.append("             front of it, set ARAGORA_API_TOKEN")
    return "\n".join(lines)


def _say(text: str, stream: TextIO | None = None) -> None:
    print(text, file=stream or sys.stdout, flush=True)
