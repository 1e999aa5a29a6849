"""What the votes behind a decision are worth by the outcomes that are known of earlier ones. Pure.

From 20 outcomes in a workspace and domain on, a new decision begins with what its voted confidence turned out to be
worth there (`aragora.knowledge.calibration`), and says so by its basis. Before, it begins with the voted confidence.
What the votes were stays in its source, and a decision that is there keeps the confidence it began with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aragora.knowledge.calibration import Curve, calibrated
from aragora.knowledge.confidence import first_confidence
from aragora.knowledge.model import Basis, ItemKind, SourceKind
from aragora.knowledge.planning import Addition


def earned(additions: Sequence[Addition], curve: Curve) -> tuple[Addition, ...]:
    """These additions, their decisions with what their votes are worth by the curve of their workspace and domain."""
    return tuple(_earned(one, curve) if curve.calibrated else one for one in additions)


def _earned(addition: Addition, curve: Curve) -> Addition:
    added = addition.added
    voted = added.sources[0].stated_confidence if added.sources else None
    if added.statement.kind is not ItemKind.DECISION or added.basis is not Basis.VOTED or voted is None:
        return addition
    base = first_confidence(SourceKind.DEBATE, calibrated(voted, curve))
    return replace(addition, added=replace(added, base=base, basis=Basis.CALIBRATED))
