"""Whether this node may be part of its installation's cluster, asked before anything of Ray starts; and its token.

The first head finds no installation in the database and founds it: it stores a challenge and its answers. Every node
after it compares. A worker never founds: where its database knows no installation, either the head has not started yet,
or DATABASE_URL names another database than the head's. The head also applies pending migrations, since the row it
writes needs its table; but never before it was seen that it belongs to an installation that is there.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from actors.cluster import AUTH_MODE
from aragora import __version__
from aragora.clock import SystemClock
from aragora.cluster.answers import (
    ADOPT,
    Answers,
    Secrets,
    answers_of,
    changed,
    differing,
    may_change_while_nodes_run,
)
from aragora.cluster.clock import REMEDY, clock_ahead_s, told_clock
from aragora.cluster.needed import missing_for_cluster
from aragora.cluster.shared_settings import refused_settings, shared_settings, told_settings
from aragora.cluster.store import Installation, InstallationStore, new_challenge
from aragora.cluster.token import TOKEN_PATH, operators_token, token_variables
from aragora.cluster.versions import unlike
from aragora.composition.cluster.serving_alone import serving_head
from aragora.composition.cluster.versions import versions_at, versions_here
from aragora.config.settings import Settings
from aragora.errors import Conflict, Misconfigured, Unavailable
from aragora.migrations.applying import apply_pending
from aragora.migrations.history import apply_command, standing
from aragora.storage.contexts import Context, Location, store_of
from aragora.storage.database import Database
from aragora.storage.diagnosis import diagnosed
from aragora.storage.serving import without_server
from aragora.texts import counted

LOOK_S: Final = 60.0
"""For all that is asked of PostgreSQL together; a statement has ARAGORA_DB_POOL_TIMEOUT."""
_SINCE: Final = "0005"  # the migration of `core` that made the table
_NOT_FOUNDED: Final = "there is no installation yet: the first head's start founds it, with the secrets it has"


def _warn(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A node beside its installation: what keeps it out, and what is only worth knowing; one line each."""

    refused: tuple[str, ...]
    told: tuple[str, ...] = ()


def refuse_to_join(
    settings: Settings,
    *,
    head: bool,
    head_at: str | None = None,
    tell: Callable[[str], object] = _warn,
    release: str = __version__,
) -> None:
    """Raises Misconfigured with a line for each thing that keeps this node out of its cluster, Unavailable where the
    database or the head does not answer. Blocks.

    Args:
        settings: of this node.
        head: whether this node is the cluster's head.
        head_at: host and port of the head's GCS. A worker asks it for its versions; None where Ray's own check is
            enough. A head is known by it to whoever serves the database.
        tell: takes what is worth knowing and keeps nobody out, line by line.
        release: which Aragora this is.
    """
    problems = [*missing_for_cluster(settings), *_open_ray(os.environ)]
    if problems:
        raise Misconfigured("\n".join(problems))
    ray_token = operators_token(settings, os.environ)
    found = asyncio.run(
        _as_head(settings, ray_token, release, head_at) if head else _as_worker(settings, ray_token, release)
    )
    for line in (*found.told, *asyncio.run(_clock(settings))):
        tell(line)
    refused = found.refused
    if not refused and not head and head_at is not None:
        known_to_ray = {**os.environ, **token_variables(settings, os.environ)}
        refused = unlike(versions_here(), versions_at(head_at, known_to_ray))
    if refused:
        raise Misconfigured("\n".join(refused))


def refuse_if_changed(settings: Settings) -> None:
    """For a node that runs: raises Misconfigured where its settings are no longer those of the installation,
    Unavailable where the database does not tell. Blocks."""
    missing = missing_for_cluster(settings)
    if missing:
        raise Misconfigured("\n".join(missing))
    found = asyncio.run(compare(settings))
    if found is not None and found.refused:
        raise Misconfigured("\n".join(found.refused))


def ray_token_file(settings: Settings) -> Path | None:
    """Put Ray's token where this node's Ray finds it, and set Ray's variables in this process, for its children.

    Returns the file; None where the operator has set a token of their own, which stays. Raises Misconfigured where the
    file cannot be written.
    """
    wanted = token_variables(settings, os.environ)
    os.environ.update({AUTH_MODE: "token"} | wanted)
    return Path(wanted[TOKEN_PATH]) if wanted else None


def adopt(settings: Settings, others: Collection[str]) -> tuple[str, ...]:
    """Make this node's secrets and shared settings those of the installation; returns what changed, by name. Blocks.

    Args:
        settings: of this node, with the new secrets.
        others: the other nodes of the cluster that run, by address.

    Raises Conflict where nodes run that the change would leave behind, Misconfigured and Unavailable as the start.
    """
    missing = missing_for_cluster(settings)
    if missing:
        raise Misconfigured("\n".join(missing))
    return asyncio.run(_adopt(settings, others, operators_token(settings, os.environ)))


async def compare(settings: Settings, release: str = __version__) -> Comparison | None:
    """This node beside its installation, which stays as it is; None where no node has founded it yet.

    Raises Misconfigured and Unavailable where the database does not tell.
    """
    ray_token = operators_token(settings, os.environ)
    if not (await standing(settings)).has(Context.CORE, _SINCE):
        return None
    async with _store(settings) as store:
        stored = await store.read()
        return None if stored is None else await _beside(stored, settings, ray_token, release)


async def _as_head(settings: Settings, ray_token: str | None, release: str, own: str | None) -> Comparison:
    if not (await standing(settings)).has(Context.CORE, _SINCE):
        await apply_pending(settings)
    async with _store(settings) as store:
        stored = await store.read()
        if stored is None:
            if await store.found(await _installation(settings, ray_token, release)):
                return Comparison((), ("this is the first node of the installation: the others need its .env",))
            stored = await store.read()
        if stored is None:
            raise Unavailable("the installation's row was deleted while this node compared: start the node again")
        found = await _joined(store, stored, await _beside(stored, settings, ray_token, release), settings, release)
    if not found.refused:
        await _refuse_generation_of_another(settings, own)
        await apply_pending(settings)
    return found


async def _refuse_generation_of_another(settings: Settings, own: str | None) -> None:
    """Raises Conflict where what is pending would take the schema away under another cluster that serves."""
    serves = await serving_head(settings)
    if serves not in (None, own) and (await standing(settings)).generation_begins:
        raise Conflict(
            f"this release begins a new generation of the database's schema, which the cluster of {serves} cannot use: end "
            "its service first (there: aragora cluster undeploy)"
        )


async def _as_worker(settings: Settings, ray_token: str | None, release: str) -> Comparison:
    known = await standing(settings)
    if known.pending:
        raise Unavailable(
            f"{store_of(settings)} lacks {counted(len(known.pending), 'migration')} of this release: start the head first, or "
            f"run `{apply_command(settings)}` there"
        )
    async with _store(settings) as store:
        stored = await store.read()
        if stored is None:
            raise Unavailable(
                f"{store_of(settings)} knows no installation: start the head first; if it runs, DATABASE_URL names another "
                "database here than there"
            )
        return await _joined(store, stored, await _beside(stored, settings, ray_token, release), settings, release)


async def _clock(settings: Settings) -> tuple[str, ...]:
    location = Location.of(settings, Context.CORE)
    with diagnosed(location):
        told = told_clock(await clock_ahead_s(location))
    return (f"warning: this machine's clock is {told}: {REMEDY}",) if told else ()


async def _joined(
    store: InstallationStore, stored: Installation, found: Comparison, settings: Settings, release: str
) -> Comparison:
    """What was found; where it lets this node in, the row says what runs here."""
    shared = shared_settings(settings)
    if not found.refused and (release, shared) != (stored.release, stored.shared):
        await store.note(release, shared)
    return found


async def _beside(stored: Installation, settings: Settings, ray_token: str | None, release: str) -> Comparison:
    own = await _answers(settings, ray_token, stored.challenge)
    shared = shared_settings(settings)
    told = told_settings(shared, stored.shared)
    if release != stored.release:
        told += (f"this node runs Aragora {release}, and the one that joined last runs {stored.release}",)
    return Comparison((*differing(own, stored.answers), *refused_settings(shared, stored.shared)), told)


async def _adopt(settings: Settings, others: Collection[str], ray_token: str | None) -> tuple[str, ...]:
    running = await _running(settings, others)  # before this process has a session of its own
    if not (await standing(settings)).has(Context.CORE, _SINCE):
        raise Conflict(_NOT_FOUNDED)
    async with _store(settings) as store:
        stored = await store.read()
        if stored is None:
            raise Conflict(_NOT_FOUNDED)
        own = await _answers(settings, ray_token, stored.challenge)
        others_changed = _changed_settings(shared_settings(settings), stored)
        names = (*changed(own, stored.answers), *others_changed)
        if names:
            if running and (others_changed or not may_change_while_nodes_run(own, stored.answers)):
                raise Conflict(f"{', '.join(names)} cannot change while nodes run: {running}")
            if not await store.replace(stored, await _installation(settings, ray_token, stored.release)):
                raise Conflict(f"somebody else changed the installation meanwhile: run {ADOPT} again")
        return names


async def _running(settings: Settings, others: Collection[str]) -> str:
    """What runs of the installation besides this command, in words; empty where nothing does."""
    if others:
        return f"stop {', '.join(sorted(others))} first"
    try:
        async with without_server(settings):
            return ""
    except Conflict as busy:
        return busy.message


def _changed_settings(shared: Mapping[str, str], stored: Installation) -> tuple[str, ...]:
    return tuple(
        name for name, value in shared.items() if refused_settings(shared, {name: stored.shared.get(name, value)})
    )


async def _installation(settings: Settings, ray_token: str | None, release: str) -> Installation:
    challenge = new_challenge()
    answers = await _answers(settings, ray_token, challenge)
    return Installation(challenge, answers, shared_settings(settings), release)


async def _answers(settings: Settings, ray_token: str | None, challenge: bytes) -> Answers:
    return await asyncio.to_thread(answers_of, Secrets.of(settings, ray_token), challenge)


def _open_ray(environment: Mapping[str, str]) -> Iterator[str]:
    mode = environment.get(AUTH_MODE, "").strip().lower()
    if mode not in ("", "token"):
        yield f"{AUTH_MODE} is {mode!r}: whoever reaches a port of Ray's would run code as this user; unset it"


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[InstallationStore]:
    """The store, for `LOOK_S` seconds. Raises Unavailable where PostgreSQL is slow."""
    database = Database.open(settings, Context.CORE)
    try:
        async with asyncio.timeout(LOOK_S):
            yield InstallationStore(database, SystemClock())
    except TimeoutError:
        raise Unavailable(
            f"{store_of(settings)} gave no answer within {LOOK_S:.0f} s: see in pg_stat_activity what it does"
        ) from None
    finally:
        await database.aclose()
