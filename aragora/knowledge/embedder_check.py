"""Whether an embedder works: a known text must get its known vector.

Floats differ between processors, so vectors are compared by their cosine. Where no vector is known beforehand, the
first one of the process takes its place: then it shows an embedder that fails or that became another one.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Final

import numpy as np
import structlog

from aragora.clock import Clock
from aragora.errors import AragoraError
from aragora.knowledge.search.embedding import Embedder, units
from aragora.knowledge.search.vectors import Vector
from aragora.supervision import begin

TEXT: Final = "What a debate settled serves the next one."
CLOSE: Final = 0.99
"""The least cosine. Of the embedded model an unrelated text has 0.79, the same sentence with another verb 0.987."""

OWN_S: Final = 10.0  # so old may an answer be, of an embedder with a known vector: it is inside the process
OTHERS_S: Final = 300.0  # of any other: it may cost money
SLOW_S: Final = 30.0  # one that takes longer does not work
WAIT_S: Final = 0.5  # whoever asks waits for an answer so long, and takes the last one then

REFERENCES: Final[Mapping[str, str]] = {
    "multilingual-e5-small-q4": (
        "yit/oJynAapVKQSsCChamAcrNyDAKo8l6i2EqWSpdSsvLTSTeZ5MqjIoJSQWqbcscSw3LImjK6CtKkWrPqiMqy8hrKycJAYiU6CHo40q"
        "i6pRps4mWiaQKdAtBCrdq8QrbKqMqIGsfSzNKmuY4ykDq3evVaz7r+ooUikSKlSYDyrXKxkszSPmKDGr4SSzqJQpRKOYqJEkpyjXKAys"
        "Dibaqsessqd2ohAoDKzlKUwq8KfaKkif+iwDLdupSKmfriSrb6ypJ20sVR8xK0qpTSlZqoWsLCV5m8uqGyoeqfSe8Cy7LNwsiKptrDmm"
        "uq3lILmroSuZIC6sW6okqQufTChWKxQsG6XzJ4yShifnIMkrri3HrEKoWZxVqu+qmCwyqwMpByzNKY4tsqfZKqSoxxu/qdgqNCirKKal"
        "CqtAqEQrgCrcqCGsy67SqC6teKoHKDQtVKM1psetVSKIrLAl/KSXKTymIChVLCwmVKgzogSiOaqNqySoMqrrJomlkSlXooMqvaweq9ar"
        "PiMJqCss4SocKjIkNCBxnf0nsRV0KaKoOSAsrIMrPyevrP+sryzHqf2aDKgyLK+pOacPKBmgaykcseylLyfyK/GtZKYIKmKni6gDqPas"
        "QKltqBSnPClgJsGtJqKUqWotTa2MKmCn8KkLLtmf9iZ4KbmsYKunqpeneCQMKnAtDalVKdeiw6f5LF8sXyfsKfacPiVdrk+klqloJ4oq"
        "CaiuqOGqoihjLJCsE6h5L7ehxSOoLH4hKiI1rPwnwKYKrKAf2KqGLlWqVSyYJgUmZy6wp7YsvKpEqsMmVytarrAeCprQJVwknyaEKT8p"
        "NqySqp0mAi1JqrwomahvoGuqm6slqmKtVSsPKwKmvKVln8KWwCgmpkatYSttqs6m/qdCLJKr2K5kJ/4rxKTBKVgg9KnyFQ+pDBk0KK4t"
        "za7QIxAsBKp/JwGsCKpVLPknzq0jqdIqkxzmLaApkRyepOkpGquALFUmZ6gEKvgePqjnpHwsB6c2pKYtACwBJPAq"
    ),
}
"""By the name of a model: the vector of `TEXT` as a query, float16, little-endian, in base64."""

log = structlog.get_logger("aragora.knowledge")


class EmbedderCheck:
    """Tries one embedder. Belongs to one event loop."""

    def __init__(self, embedder: Embedder, clock: Clock, references: Mapping[str, str] = REFERENCES) -> None:
        self._embedder = embedder
        self._clock = clock
        known = references.get(embedder.embedder_id.name)
        self._known = None if known is None else read_reference(known)
        self._every_s = OTHERS_S if known is None else OWN_S
        self._trying: asyncio.Task[None] | None = None
        self._began_at = float("-inf")
        self._works: bool | None = None

    async def works(self) -> bool | None:
        """Whether it does; None where it was not tried to the end yet. Returns within `WAIT_S` seconds, never
        raises."""
        now = self._clock.monotonic()
        if self._trying is None or (self._trying.done() and now - self._began_at >= self._every_s):
            self._began_at = now
            self._trying = begin(self._try(), "trying the embedder")
        await asyncio.wait({self._trying}, timeout=WAIT_S)
        if not self._trying.done() and now - self._began_at > SLOW_S:
            return False
        return self._works

    async def aclose(self) -> None:
        """Stop trying."""
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.wait({self._trying})

    async def _try(self) -> None:
        try:
            vector = await self._embedder.embed_query(TEXT)
        except AragoraError as error:
            log.warning("the embedder does not work", error=error.message)
            self._works = False
            return
        if self._known is None:
            self._known = vector
        self._works = agrees(vector, self._known)
        if not self._works:
            log.warning("the embedder does not give the known vector of a known text")


def agrees(vector: Vector, known: Vector) -> bool:
    """Whether two vectors of length 1 are the same but for rounding."""
    return vector.shape == known.shape and float(vector @ known) >= CLOSE


def as_reference(vector: Vector) -> str:
    """A vector as `REFERENCES` holds it."""
    return base64.b64encode(vector.astype("<f2").tobytes()).decode()


def read_reference(text: str) -> Vector:
    """The vector of a text of `as_reference`, of length 1."""
    made: Vector = units(np.frombuffer(base64.b64decode(text), "<f2"))
    return made
