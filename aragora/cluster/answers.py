"""Whether two nodes have the same secrets, by challenge: what is stored and compared are answers that only somebody
with the secret can compute, and from which nobody learns it.

An answer is HMAC-SHA256 over a random challenge, keyed by the secret stretched with argon2id. Who reads the database
can test a guess at a secret, as with every stored hash; the stretching makes a guess cost about a tenth of a second and
64 MiB. Its parameters are the second choice of RFC 9106, section 4 (t=3, p=4, m=64 MiB, 256-bit tag), the one meant for
machines with other things to do. The salt is made of the challenge and the setting's name, so one guess is good for one
setting of one installation.

ARAGORA_ENCRYPTION_KEY may hold several keys, and is changed while nodes run (docs/security.md). Its law: a node holds
every key of the installation, and encrypts with one of them. So each node can read what any other writes.

Pure, but for the time that stretching takes: run `answers_of` off the event loop.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from argon2.low_level import Type, hash_secret_raw
from pydantic import SecretStr

from aragora.config.settings import Settings
from aragora.texts import counted

SCHEME: Final = "argon2id-t3-m65536-p4+hmac-sha256, v1"
"""How the answers are made; stored beside them."""
CHALLENGE_BYTES: Final = 32
ADOPT: Final = "`aragora cluster adopt`"
"""The command that makes this node's secrets those of the installation."""

RING: Final = "ARAGORA_ENCRYPTION_KEY"
_RECEIPT: Final = "ARAGORA_RECEIPT_SIGNING_KEY"
_OTHERS: Final = {
    "ARAGORA_API_TOKEN": "api_token",
    "ARAGORA_JWT_SECRET": "jwt_secret",
    _RECEIPT: "receipt_signing_key",
    "ARAGORA_SERVICE_TOKEN": "service_token",
}
_RAY: Final = "RAY_AUTH_TOKEN"
_PURPOSE: Final = b"aragora: answer of an installation, v1\x00"
_TAG_BYTES: Final = 32
_HEX: Final = re.compile("[0-9a-fA-F]+")
_ROTATION: Final = "docs/security.md, Change a secret of a cluster"

Answers = Mapping[str, tuple[str, ...]]
"""By setting; several only for `RING`, the one that encrypts first. A setting that is not set has none."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What stretching a secret once costs."""

    passes: int = 3
    memory_kib: int = 65_536
    lanes: int = 4


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets that nodes must share, by setting; for `RING` its keys, the one that encrypts first."""

    values: Mapping[str, tuple[str, ...]] = field(repr=False)

    @classmethod
    def of(cls, settings: Settings, ray_token: str | None = None) -> Secrets:
        """Those of the settings, and Ray's token where the operator has chosen it. Two spellings of one hexadecimal key
        are one value."""
        texts = {name: _text(getattr(settings, attribute)) for name, attribute in _OTHERS.items()}
        texts[_RECEIPT] = tuple(_spelt(text) for text in texts[_RECEIPT])
        found = texts | {RING: tuple(_spelt(key) for text in _text(settings.encryption_key) for key in text.split(","))}
        found[_RAY] = () if ray_token is None else (ray_token,)
        return cls({name: values for name, values in found.items() if values})


def answers_of(secrets: Secrets, challenge: bytes, cost: Cost = Cost()) -> Answers:
    """This node's answers to the challenge. Takes about a tenth of a second for each secret."""
    return {
        name: tuple(_answer(challenge, name, value, cost) for value in values)
        for name, values in secrets.values.items()
    }


def differing(own: Answers, stored: Answers) -> tuple[str, ...]:
    """A line for each setting in which a node with its `own` answers does not fit the installation; never a value."""
    lines = (
        _ring_line(own.get(name, ()), stored.get(name, ())) if name == RING else _line(name, own, stored)
        for name in sorted({*own, *stored})
    )
    return tuple(line for line in lines if line is not None)


def changed(own: Answers, stored: Answers) -> tuple[str, ...]:
    """The names of the settings whose answers are not exactly the stored ones, in any order of the keys."""
    return tuple(
        name for name in sorted({*own, *stored}) if frozenset(own.get(name, ())) != frozenset(stored.get(name, ()))
    )


def may_change_while_nodes_run(own: Answers, stored: Answers) -> bool:
    """Whether `stored` may become `own` while nodes run that fitted `stored`: only the encryption keys differ, by some
    that came or by some that went. Then the nodes that were restarted with it before fit both."""
    before, after = frozenset(stored.get(RING, ())), frozenset(own.get(RING, ()))
    only_the_ring = set(changed(own, stored)) <= {RING}
    return only_the_ring and bool(before) and bool(after) and (before <= after or after <= before)


def _text(secret: SecretStr | None) -> tuple[str, ...]:
    return () if secret is None else (secret.get_secret_value(),)


def _spelt(key: str) -> str:
    """A key in hexadecimal or PEM, in the one of its spellings that is compared."""
    plain = key.strip().replace("\\n", "\n")
    return plain.lower() if _HEX.fullmatch(plain) else plain


def _answer(challenge: bytes, name: str, value: str, cost: Cost) -> str:
    salt = hashlib.sha256(_PURPOSE + challenge + name.encode()).digest()
    key = hash_secret_raw(
        value.encode(),
        salt,
        time_cost=cost.passes,
        memory_cost=cost.memory_kib,
        parallelism=cost.lanes,
        hash_len=_TAG_BYTES,
        type=Type.ID,
    )
    return hmac.digest(key, _PURPOSE + challenge + name.encode(), "sha256").hex()


def _line(name: str, own: Answers, stored: Answers) -> str | None:
    if own.get(name) == stored.get(name):
        return None
    if name not in own:
        return f"{name} is not set here, and is on the other nodes: copy the .env of one of them"
    if name not in stored:
        return f"{name} is set here, and is not on the other nodes: unset it, or set it on all and run {ADOPT}"
    return f"{name} is not that of the other nodes: copy the .env of one of them; to change it on purpose, run {ADOPT}"


def _ring_line(own: tuple[str, ...], stored: tuple[str, ...]) -> str | None:
    if not own or not stored:
        return _line(RING, {RING: own} if own else {}, {RING: stored} if stored else {})
    lacking = len(frozenset(stored) - frozenset(own))
    if lacking:
        of = "every key" if lacking == len(frozenset(stored)) else counted(lacking, "key")
        return f"{RING} lacks {of} of the other nodes: copy the .env of one of them (to change keys: {_ROTATION})"
    if own[0] not in stored:
        return f"{RING} begins with a key that the other nodes may lack: put it last first, on all nodes ({_ROTATION})"
    return None
