"""The figures of an integration store: per operation, cache, health. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

UNHEALTHY_AFTER: Final = 3  # failures in a row
OPERATIONS: Final = ("get", "save", "delete", "list", "refresh_token")


@dataclass(slots=True)
class OperationFigures:
    calls: int = 0
    failures: int = 0
    total_s: float = 0.0

    @property
    def success_rate(self) -> float:
        """Percent; 100 before the first call."""
        return 100.0 if self.calls == 0 else 100.0 * (self.calls - self.failures) / self.calls

    @property
    def average_s(self) -> float:
        return 0.0 if self.calls == 0 else self.total_s / self.calls


@dataclass(slots=True)
class Figures:
    """Unhealthy after three failures in a row, healthy again after one success."""

    backend_type: str
    operations: dict[str, OperationFigures] = field(
        default_factory=lambda: {name: OperationFigures() for name in OPERATIONS}
    )
    consecutive_failures: int = 0
    active_integrations: int = 0
    hits: int = 0
    misses: int = 0

    @property
    def healthy(self) -> bool:
        return self.consecutive_failures < UNHEALTHY_AFTER

    @property
    def cache_hit_rate(self) -> float:
        """Percent; 0 before the first look-up."""
        looked = self.hits + self.misses
        return 0.0 if looked == 0 else 100.0 * self.hits / looked

    def done(self, operation: str, elapsed_s: float, *, failed: bool) -> None:
        figures = self.operations[operation]
        figures.calls += 1
        figures.total_s += elapsed_s
        figures.failures += failed
        self.consecutive_failures = self.consecutive_failures + 1 if failed else 0

    def missed(self) -> None:
        """The cache did not have it: the store is asked."""
        self.misses += 1

    def hit(self) -> None:
        """The cache answered. That is a good call, but says nothing of the store's health."""
        self.hits += 1
        self.operations["get"].calls += 1

    def metrics(self) -> dict[str, Any]:
        return {
            "backend_type": self.backend_type,
            "is_healthy": self.healthy,
            "cache_hit_rate": round(self.cache_hit_rate, 2),
            "consecutive_failures": self.consecutive_failures,
            "active_integrations": self.active_integrations,
            "operations": {
                name: {
                    "total_calls": figures.calls,
                    "success_rate": round(figures.success_rate, 2),
                    "avg_latency_seconds": round(figures.average_s, 6),
                }
                for name, figures in self.operations.items()
            },
        }

    def health(self) -> dict[str, Any]:
        return {
            "healthy": self.healthy,
            "backend_type": self.backend_type,
            "consecutive_failures": self.consecutive_failures,
            "operations_summary": {
                "get_success_rate": round(self.operations["get"].success_rate, 2),
                "save_success_rate": round(self.operations["save"].success_rate, 2),
                "cache_hit_rate": round(self.cache_hit_rate, 2),
            },
        }
