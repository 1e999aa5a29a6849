"""The adapters: each turns what happened in one part of the system into items, and items into advice for that part."""

from aragora.knowledge.insights import CrossWorkspaceInsight
from aragora.knowledge.mound.adapters.clients import (
    BeliefAdapter,
    ConsensusAdapter,
    ContinuumAdapter,
    CostAdapter,
    CritiqueAdapter,
    CultureAdapter,
    EloAdapter,
    EvidenceAdapter,
    InsightsAdapter,
    PulseAdapter,
    RankingAdapter,
)
from aragora.knowledge.mound.adapters.control_plane import ControlPlaneAdapter

__all__ = [
    "BeliefAdapter",
    "ConsensusAdapter",
    "ContinuumAdapter",
    "ControlPlaneAdapter",
    "CostAdapter",
    "CritiqueAdapter",
    "CrossWorkspaceInsight",
    "CultureAdapter",
    "EloAdapter",
    "EvidenceAdapter",
    "InsightsAdapter",
    "PulseAdapter",
    "RankingAdapter",
]
