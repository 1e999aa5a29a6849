"""What load balancers and Prometheus ask every few seconds, and what is cheap to answer however many ask: no limit by
address counts it, and the log tells of it only where it was not answered well."""

from __future__ import annotations

from typing import Final

PROBES: Final = frozenset({"/api/health", "/api/health/live", "/api/health/ready", "/metrics", "/api/metrics"})
