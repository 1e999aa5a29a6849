"""`aragora cluster deploy`: the service on all nodes of the cluster, brought up once and left running.

It changes nothing where the same release runs with the same settings, so it may be called as often as one likes. Where
another release runs, or with other settings, it is replaced under load: the database gets what is new, which the older
release does without; every node gets the release; then the ingress, and last the actors, process by process. What is
new in an actor is not asked for by the ingress of the same release: for some seconds it asks the older one's.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import SecretStr

import aragora
from actors import launcher_log
from actors.launcher_config import Machines
from actors.ray_environment import HTTP_BIND
from aragora.clock import SystemClock
from aragora.composition.cluster import marks
from aragora.composition.cluster.connection import connected
from aragora.composition.cluster.missing import Missing, missing, unlisted
from aragora.composition.cluster.moving import even_out, renew
from aragora.composition.cluster.releasing import install_everywhere
from aragora.composition.cluster.serving_alone import claim, refuse_beside_another
from aragora.composition.launch import Launch
from aragora.composition.listening import ports_of
from aragora.composition.preflight import refuse_to_start
from aragora.composition.service import JOBS_AGAIN_S, Service
from aragora.config.settings import Settings
from aragora.errors import Conflict, Unavailable
from aragora.identity.origins import authority
from aragora.texts import counted

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - each node's proxy reaches the replicas of all nodes
SERVES_S: Final = 180.0
LOOK_S: Final = 0.5
PROBE_S: Final = 5.0
READY: Final = "/api/health/ready"
LIVE: Final = "/api/health/live"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Serving:
    """Which nodes, by address, take requests, which do not yet, which were drained and get none any more, and which
    machines of `ray up` have not joined."""

    ready: tuple[str, ...]
    waiting: tuple[str, ...]
    drained: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()

    @property
    def there(self) -> tuple[str, ...]:
        return (*self.ready, *self.waiting, *self.drained)

    def complete(self, wanted: int) -> bool:
        """Whether all that `wanted` nodes could do is done: a drained one is not waited for."""
        return not self.waiting and len(self.ready) + len(self.drained) >= wanted


def deploy(
    settings: Settings,
    say: Say,
    *,
    nodes: int = 1,
    limit_s: float = SERVES_S,
    launched: Machines | None = None,
    dead: str | None = None,
) -> Serving:
    """Migrate the database, start the actors and the ingress, and wait until at least `nodes` nodes, and all that the
    cluster has, take requests. Blocks.

    Returns which do after `limit_s` seconds at the latest, and before that where each machine of `launched` that is
    missing has plainly refused. Raises Misconfigured, Unavailable, Conflict where another cluster serves the database;
    `dead` is the head of one that is off for good.
    """
    began = time.monotonic()
    said_before = launcher_log.end_of_log()
    refuse_to_start(settings, EVERYWHERE, ())
    with connected(settings) as here:
        mark, deployed = _mark(settings), marks.deployed()
        refuse_beside_another(settings, here.gcs_address, dead)  # before its schema changes
        with _step(say, "migrations"):
            _migrate(settings, runs=deployed is not None)
            _forget_again(settings)
        claim(settings, here.gcs_address, dead)
        if deployed == mark:
            say("  this release runs already, with these settings")
        else:
            _bring(settings, say, mark, deployed)
            marks.remember_deployed(mark)
        with _step(say, "nodes"):
            serving = _await_nodes(nodes, limit_s, say, lambda joined: missing(launched, joined, said_before))
        if deployed != mark:
            with _step(say, "placement"):
                even_out(settings)
    for line in to_be_known(serving, unlisted(launched, serving.there)):
        say(f"  {line}")
    say(f"Aragora runs on {counted(len(serving.ready), 'node')} after {time.monotonic() - began:.1f} s")
    return serving


def to_be_known(serving: Serving, not_listed: Collection[str]) -> Iterator[str]:
    """What an operator would not guess of nodes that are as they are on purpose, a line each."""
    for address in serving.drained:
        yield f"{address} is drained: aragora node stop ends it there, and once started again it takes requests"
    for address in not_listed:
        if address not in serving.drained:
            yield (
                f"{address} is not in cluster.yaml and goes on: aragora cluster drain {address}, then there aragora "
                "node stop"
            )


def stand_by(settings: Settings, say: Say) -> None:
    """Bring up all of the service but what takes debates and jobs, on a cluster that does not serve: `deploy` does the
    rest in a moment. Another cluster may serve the database meanwhile. Blocks.

    Raises Misconfigured, Unavailable, Conflict where the service runs here.
    """
    refuse_to_start(settings, EVERYWHERE, ())
    with connected(settings):
        mark = _mark(settings)
        if marks.deployed() is not None:
            raise Conflict("the service runs here: `aragora cluster undeploy` ends it")
        if marks.stands_by() == mark:
            say("  this release stands by already, with these settings")
            return
        with _step(say, "migrations"):
            _migrate(settings, runs=True)
        with _step(say, "release"):
            install_everywhere()
        with _step(say, "actors"):
            asyncio.run(Service(settings).activate_shared())
        with _step(say, "ingress"):
            _deploy_ingress(settings)
            _await_ingress()
        marks.remember_standby(mark)
    say("Aragora stands by: `aragora cluster deploy` begins the service")


def _bring(settings: Settings, say: Say, mark: bytes, deployed: bytes | None) -> None:
    if deployed is None and marks.stands_by() == mark:
        with _step(say, "actors"):
            Service(settings).end_work()  # a coordinator that has drained, or was asked before its time
            asyncio.run(Service(settings).activate())
        _admit(settings, say)
        return
    with _step(say, "release"):
        install_everywhere()
    if deployed is None:
        _bring_up(settings, say)
    else:
        _bring_newer(settings, say)


def _bring_up(settings: Settings, say: Say) -> None:
    with _step(say, "actors"):
        asyncio.run(Service(settings).activate())
    with _step(say, "ingress"):
        _deploy_ingress(settings)
    _admit(settings, say)


def _admit(settings: Settings, say: Say) -> None:
    service = Service(settings)
    with _step(say, "coordinators"):
        asyncio.run(service.admit())
        asyncio.run(service.start_jobs(JOBS_AGAIN_S))


def _bring_newer(settings: Settings, say: Say) -> None:
    """Replace what runs by this release, with these settings, part by part: nothing that serves waits for it."""
    with _step(say, "ingress"):
        _deploy_ingress(settings)
    with _step(say, "actors"):
        renew(settings)


def _deploy_ingress(settings: Settings) -> None:
    from serve_app import deploy as deploy_ingress  # noqa: PLC0415 - imports Ray, whose environment was set before

    http_port, ws_port = serving_ports()
    deploy_ingress(Launch(settings, SystemClock().now(), EVERYWHERE, http_port, ws_port, cluster=True))


def _migrate(settings: Settings, *, runs: bool) -> None:
    """Raises Conflict where the service `runs` in a release that could not live with what is pending."""
    from aragora.migrations.applying import apply_all  # noqa: PLC0415 - no other command of a cluster needs it
    from aragora.migrations.history import standing  # noqa: PLC0415

    if runs and asyncio.run(standing(settings)).generation_begins:
        raise Conflict(
            "this release begins a new generation of the database's schema, which the running one cannot use: stop the "
            "service first (aragora cluster stop), then start it again"
        )
    apply_all(settings)


def _forget_again(settings: Settings) -> None:
    """So that a restored store of knowledge answers nothing that was forgotten since."""
    from aragora.composition.forgetting import forget_again  # noqa: PLC0415 - no other command of a cluster needs it

    asyncio.run(forget_again(settings, SystemClock()))


def _await_nodes(
    wanted: int, limit_s: float, say: Say, away: Callable[[Collection[str]], tuple[Missing, ...]]
) -> Serving:
    http_port, _ = serving_ports()
    deadline = time.monotonic() + limit_s
    told = -1
    while True:
        serving = _serving(http_port)
        if len(serving.ready) != told:
            told = len(serving.ready)
            say(f"  {told} of {max(wanted, len(serving.there))} nodes take requests")
        if serving.complete(wanted):
            return serving
        serving = replace(serving, missing=away(serving.there))
        if waiting_is_no_use(serving, wanted) or time.monotonic() >= deadline:
            return serving
        time.sleep(LOOK_S)


def _await_ingress() -> None:
    """Returns once every node's ingress answers, ready or not. Raises Unavailable after `SERVES_S` seconds."""
    from actors.cluster_nodes import nodes  # noqa: PLC0415 - imports Ray

    http_port, _ = serving_ports()
    deadline = time.monotonic() + SERVES_S
    while silent := [
        node.address for node in nodes() if node.takes_work and not _answers(node.address, http_port, LIVE)
    ]:
        if time.monotonic() >= deadline:
            raise Unavailable(f"no answer within {SERVES_S:g} s from the ingress of {', '.join(silent)}")
        time.sleep(LOOK_S)


def waiting_is_no_use(serving: Serving, wanted: int) -> bool:
    """Whether every node that is there takes requests, and all that lacks is machines that have plainly refused."""
    refused = [machine for machine in serving.missing if machine.plain]
    return (
        not serving.waiting
        and bool(refused)
        and len(refused) == len(serving.missing)
        and len(serving.ready) + len(serving.drained) + len(refused) >= wanted
    )


def _serving(http_port: int) -> Serving:
    from actors.cluster_nodes import nodes  # noqa: PLC0415 - imports Ray

    alive = [node for node in nodes() if node.alive]
    addresses = [node.address for node in alive if node.takes_work]
    ready = [address for address in addresses if takes_requests(address, http_port)]
    return Serving(
        tuple(ready),
        tuple(address for address in addresses if address not in ready),
        tuple(node.address for node in alive if not node.takes_work),
    )


def takes_requests(address: str, port: int) -> bool:
    """Whether the node's own health says that it is ready. Blocks for up to `PROBE_S` seconds."""
    return _answers(address, port, READY)


def _answers(address: str, port: int, path: str) -> bool:
    url = f"http://{authority(address, port)}{path}"
    try:
        with urllib.request.urlopen(url, timeout=PROBE_S) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def serving_ports() -> tuple[int, int]:
    """The ports of HTTP and WebSocket of every node; after `connected`."""
    http_port, ws_port = ports_of(os.environ[HTTP_BIND])
    return http_port, ws_port


def _mark(settings: Settings) -> bytes:
    """What stands for this release with these settings. Keyed, so that it tells nothing of the secrets in them."""
    values = {name: _revealed(getattr(settings, name)) for name in type(settings).model_fields}
    values["release"] = str(Path(aragora.__file__).resolve().parent)
    key = _revealed(settings.encryption_key) or _revealed(settings.jwt_secret) or ""
    text = json.dumps(values, sort_keys=True, default=str).encode()
    return hmac.digest(str(key).encode(), text, hashlib.sha256).hex().encode()


def _revealed(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


@contextmanager
def _step(say: Say, name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    say(f"  {name:<14} {time.monotonic() - began:5.1f} s")
