"""The key of a question: equal for requests that the same debate answers, and for no others. Pure.

Every field of a `DebateSpec` is in the key or in `NOT_KEYED`, with a reason; a test holds this. The key has besides
what shapes an answer and is not in the specification: the agents as they are configured, the release of Aragora, whose
prompts ask them, and the version of the routing rules. What changes while the question stays the same, the policy and
the knowledge of the workspace, is no part of the key: an entry is kept with it (`aragora.decisions.entry.Standing`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from unicodedata import normalize

from aragora.debate.model import DebateSpec
from aragora.decisions.near import gist
from aragora.encoding import encode

_FORM: Final = 1  # of what is hashed: another form makes other keys

KEYED: Final = frozenset(
    {
        *("question", "context", "options", "domain"),
        *("agents", "protocol", "judge", "knowledge"),
        *("org_id", "workspace", "budget_usd"),
    }
)
"""Fields of the specification that are in the key; of the budget its class."""

NOT_KEYED: Final[Mapping[str, str]] = {
    "debate_id": "names the debate, and says nothing of what is asked",
    "seed": "follows from the id; it orders what readers see, and a decision does not rest on one order",
    "standings": "move with every debate that is rated: with them nothing would be asked twice",
    "needs": "a debate that people must sign is never kept",
    "prices": "follow from the agents and their models; what they bound is the budget, whose class is in the key",
    "created_by": "whoever may read the workspace's debates may be given its decision",
    "suggested": "tells in words where settings came from; the settings themselves are in the protocol",
    "revalidates": "is set only by the server, for debates that never come through the router",
    "serves": "is set only by the server, for the steps of workflows, which never come through the router",
}

OF_A_REQUEST: Final[Mapping[str, str]] = {
    "stakes": "chooses the route, whose protocol and agents are in the key",
    "deadline_s": "chooses the route, whose protocol and agents are in the key",
    "max_age_s": "says which entries are too old for the caller, not what is asked",
    "tags": "name entries for those who invalidate them",
    "protocol": "with rounds, consensus and topology it is the specification's protocol",
    "rounds": "see protocol",
    "consensus": "see protocol",
    "topology": "see protocol",
    "needs": "a debate that people must sign is never kept",
    "suggested": "the settings that are taken so are in the specification",
}
"""Fields of a request that reach the key by another way, or not at all, and why."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What an entry is found by: `exact` for this very question, `near` for the same in other words."""

    exact: str
    question: str
    told: bytes
    """All else that shapes the answer."""

    @property
    def near(self) -> str:
        """See `aragora.decisions.near`. Only claims and near matches need it, and it takes as long as the rest."""
        return _hashed(("near", *gist(self.question)), self.told)


def keys_of(spec: DebateSpec, agents: Mapping[str, object], *, release: str, rules: str) -> Keys:
    """The keys of the question that `spec` debates.

    Args:
        agents: how each of its agents is configured, by name: model, temperature and the like.
        release: of Aragora.
        rules: the version of the routing rules.
    """
    question = " ".join(normalize("NFC", spec.question).split())
    told: dict[str, Any] = {
        **{name: getattr(spec, name) for name in _IN_ORDER},
        "budget_usd": budget_class(spec.budget_usd),
        "configured": {name: agents[name] for name in sorted(agents)},
        "release": release,
        "rules": rules,
    }
    raw = encode(told)
    return Keys(_hashed(("exact", question), raw), question, raw)


def budget_class(budget_usd: float | None) -> int | None:
    """The order of magnitude of a budget, as a power of ten of USD: debates that were stopped by their budget are not
    kept, so budgets of one class come to the same. None: no budget."""
    return None if budget_usd is None else math.floor(math.log10(budget_usd))


def _hashed(question: tuple[str, ...], told: bytes) -> str:
    return sha256(encode((_FORM, question)) + told).hexdigest()


_IN_ORDER: Final = tuple(sorted(KEYED - {"question"}))
