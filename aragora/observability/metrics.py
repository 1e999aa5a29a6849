"""Every metric of Aragora, declared once: name, type, help, labels, buckets, second names.

The names are a promise to operators (tests/contract/metrics.yaml). A metric has a source or is not declared: those of a
capability that is still to come are marked so in the contract, and come with it. Declarations are data: counting is in
`counted` (debate events) and `registry` (everything else), the text for Prometheus in `exposition`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """Metric types of the Prometheus text format."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Merge(StrEnum):
    """How readings of one gauge from several processes become one figure."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


@dataclass(frozen=True, slots=True)
class Metric:
    """One declaration. `buckets` are upper bounds without +Inf, ascending; `aliases` expose the same figures again."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    aliases: tuple[str, ...] = ()
    merge: Merge = Merge.SUM


# Seconds. Model answers take from 50 ms (local) to minutes; stores and checks take from microseconds to a second.
ANSWER_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
CALL_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
QUICK_BUCKETS: Final = (0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)
STEP_BUCKETS: Final = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0, 604800.0)
LAG_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, text, labels)


def _gauge(name: str, text: str, *labels: str, merge: Merge = Merge.SUM) -> Metric:
    return Metric(name, Kind.GAUGE, text, labels, merge=merge)


def _histogram(
    name: str, text: str, *labels: str, buckets: tuple[float, ...] = CALL_BUCKETS, aliases: tuple[str, ...] = ()
) -> Metric:
    return Metric(name, Kind.HISTOGRAM, text, labels, buckets, aliases)


METRICS: Final[tuple[Metric, ...]] = (
    # debates and agents
    _counter("aragora_debates_total", "Debates started"),
    _counter("aragora_debates_completed", "Debates completed"),
    _counter("aragora_debates_failed", "Debates that ended in failure"),
    _counter(
        "aragora_debates_broken_total",
        "Debates that could not go on and ended as failed, by cause (unreadable, refused, defect)",
        "cause",
    ),
    _counter("aragora_debates_set_aside_total", "Debates of which not even the failed end could be written"),
    _counter("aragora_outbox_dead_rows_total", "Outbox rows that no try could apply, set aside for good", "topic"),
    _histogram(
        "aragora_agent_latency_seconds",
        "Seconds an agent took for an answer",
        "agent",
        buckets=ANSWER_BUCKETS,
        aliases=("aragora_agent_response_seconds",),
    ),
    _counter("aragora_agent_tokens_total", "Tokens consumed, input and output together", "agent"),
    _counter("aragora_agent_errors_total", "Asks that an agent left without an answer", "agent", "code"),
    _counter("aragora_fallback_activations_total", "Asks handed to the fallback provider"),
    _counter("aragora_fallback_success_total", "Fallbacks by outcome (success, failure)", "outcome"),
    _histogram("aragora_fallback_latency_seconds", "Seconds the fallback took", buckets=ANSWER_BUCKETS),
    _gauge("aragora_websocket_connections", "Open WebSocket connections"),
    _gauge(
        "aragora_circuit_breaker_state",
        "Circuit breaker of an agent: 0 closed, 1 half-open, 2 open",
        "agent",
        merge=Merge.MAX,
    ),
    # the server's own parts
    _gauge(
        "aragora_store_up", "Store: 1 it answers, 0 it does not, and all stored figures are absent", merge=Merge.MIN
    ),
    _counter("aragora_background_failures_total", "Failures of background work, by its name", "loop"),
    # HTTP
    _counter("aragora_http_requests_total", "HTTP requests by route template", "method", "route", "status"),
    _histogram("aragora_http_request_duration_seconds", "Seconds until the response was complete", "method", "route"),
    # encryption, RBAC, migration, authentication
    _counter("aragora_encryption_operations_total", "Encryptions and decryptions", "operation", "store"),
    _histogram(
        "aragora_encryption_operation_latency_seconds",
        "Seconds an encryption or decryption took",
        "operation",
        buckets=QUICK_BUCKETS,
    ),
    _counter("aragora_encryption_errors_total", "Encryptions and decryptions that failed", "operation", "error_type"),
    _counter("aragora_rbac_permission_checks_total", "Permission checks", "permission", "result"),
    _counter("aragora_rbac_permission_denied_total", "Permissions denied", "permission", "handler"),
    _histogram("aragora_rbac_check_latency_seconds", "Seconds a permission check took", buckets=QUICK_BUCKETS),
    _counter("aragora_migration_records_total", "Records by migration (migrated, skipped, failed)", "store", "status"),
    _counter("aragora_migration_errors_total", "Records that a migration could not process", "store", "error_type"),
    _counter("aragora_auth_failures_total", "Failed authentications"),
    _counter("aragora_admin_impersonate_total", "Impersonations by an administrator"),
    # the Knowledge Mound
    _counter(
        "aragora_km_operations_total",
        "Operations of the Knowledge Mound by what came of them (done, refused, failed)",
        "type",
        "status",
    ),
    _histogram("aragora_km_operation_latency_seconds", "Seconds an operation of the Knowledge Mound took", "type"),
    _counter("aragora_km_semantic_search_total", "Searches of the Knowledge Mound that went by meaning"),
    _counter(
        "aragora_km_searches_total",
        "Searches of the Knowledge Mound by what really ran (hybrid, lexical, semantic), and why not what was asked for",
        "mode",
        "degraded",
    ),
    _counter("aragora_km_adapter_syncs_total", "Rounds of adapters that ended well", "adapter"),
    _counter("aragora_km_adapter_failures_total", "Rounds of adapters that failed, and come again", "adapter"),
    _histogram(
        "aragora_km_forward_sync_latency_seconds",
        "Seconds from the end of a debate until the items of an adapter were stored",
        "adapter",
        buckets=LAG_BUCKETS,
    ),
    _histogram("aragora_km_reverse_query_latency_seconds", "Seconds that a debate looked for knowledge at its opening"),
    _gauge(
        "aragora_km_adapter_backlog",
        "Debates, or attempts at tasks, that wait for an adapter",
        "adapter",
        merge=Merge.MAX,
    ),
    _gauge("aragora_km_adapter_lag_seconds", "How long the oldest of these has waited", "adapter", merge=Merge.MAX),
    _gauge("aragora_km_items", "Items by kind and status, as old as half a minute", "kind", "status", merge=Merge.MAX),
    _gauge("aragora_km_index_vectors", "Vectors in the index of meanings; absent while it rests", merge=Merge.MAX),
    _gauge("aragora_km_index_stored_vectors", "Vectors that the store has for that index", merge=Merge.MAX),
    _gauge("aragora_km_index_bytes", "Memory that the vectors of the index take", merge=Merge.MAX),
    _gauge("aragora_km_embedding_backlog", "Items that wait for their vectors", merge=Merge.MAX),
    _gauge(
        "aragora_km_embedding_oldest_seconds",
        "How long the oldest item of the batch that was embedded last had waited",
        merge=Merge.MAX,
    ),
    _gauge(
        "aragora_km_embedder_up",
        "Embedder: 1 a known text gets its known vector, 0 it does not; absent while the index rests",
        merge=Merge.MIN,
    ),
    _counter("aragora_km_cache_hits_total", "Searches of the Knowledge Mound whose answer was kept"),
    _counter("aragora_km_cache_misses_total", "Searches of the Knowledge Mound whose answer was not kept"),
    _counter("aragora_km_cache_failures_total", "Times that Redis did not serve as cache of the Knowledge Mound"),
    # decision router
    _counter("aragora_decision_cache_hits_total", "Questions that a kept decision answered"),
    _counter("aragora_decision_cache_misses_total", "Questions that no kept decision answered: a debate was opened"),
    _counter(
        "aragora_decision_cache_invalidations_total",
        "Invalidations of kept decisions by type (workspace, agent, tag, policy)",
        "type",
    ),
    _counter("aragora_decision_cache_evictions_total", "Kept decisions that went to make room"),
    _counter("aragora_decision_joined_total", "Questions that joined the debate of an equal one"),
    _counter("aragora_decision_saved_usd_total", "What debates had cost whose decision was given again, in USD"),
    _counter(
        "aragora_decision_routes_total", "Questions by where they went (cache, agent, debate, workflow)", "target"
    ),
    _gauge("aragora_decision_cache_size", "Decisions that are kept to be given again", merge=Merge.MAX),
    # executions of workflows
    _counter("aragora_workflow_executions_started_total", "Executions of workflows that were started"),
    _counter(
        "aragora_workflow_executions_ended_total",
        "Ends of executions by status (completed, failed, cancelled); one that is retried ends again",
        "status",
    ),
    _gauge(
        "aragora_workflow_executions_open",
        "Executions that have not ended, by status (running, waiting, paused, compensating), as old as half a minute",
        "status",
        merge=Merge.MAX,
    ),
    _histogram(
        "aragora_workflow_step_duration_seconds",
        "Seconds from the beginning of a step to its end with all its attempts, by kind of step",
        "kind",
        buckets=STEP_BUCKETS,
    ),
    _counter("aragora_workflow_step_failures_total", "Steps that failed for good, by kind", "kind"),
    _counter("aragora_workflow_step_retries_total", "Failed attempts of steps that are tried again, by kind", "kind"),
    _counter("aragora_workflow_approvals_opened_total", "Approvals that people were asked for"),
    _counter(
        "aragora_workflow_approvals_closed_total",
        "Approvals by what became of them (approved, rejected, expired; closed: the execution went on without it)",
        "status",
    ),
    _gauge("aragora_workflow_approvals_pending", "Approvals that wait for people", merge=Merge.MAX),
    _gauge(
        "aragora_workflow_approvals_oldest_seconds",
        "How long the approval has waited that waits longest, as old as half a minute",
        merge=Merge.MAX,
    ),
    _histogram(
        "aragora_workflow_timer_lag_seconds",
        "Seconds from a moment at which something was due of an execution until it was done",
        buckets=LAG_BUCKETS,
    ),
    _gauge(
        "aragora_workflow_oldest_due_seconds",
        "How long something is overdue of an execution and not done, of all the longest",
        merge=Merge.MAX,
    ),
    _counter(
        "aragora_workflow_executions_purged_total", "Executions that were deleted when their time of keeping was over"
    ),
    # knowledge in debates
    _counter(
        "aragora_km_looks_total",
        "Looks for knowledge at the opening of a debate, by outcome (offered, none, off, late, away, busy)",
        "outcome",
    ),
    _counter("aragora_km_items_offered_total", "Items that debates were offered at their opening"),
    _counter("aragora_km_items_cited_total", "Offered items that answers cite, counted once for each answer"),
    _counter(
        "aragora_km_cross_debate_reuse_total", "Items of other debates that the answers of reached decisions cite"
    ),
    _counter(
        "aragora_km_forgettings_total",
        "Requests to forget that were certified, by what they named (item, subject, debate, person, query, insight)",
        "by",
    ),
    _counter(
        "aragora_km_outcomes_total",
        "Outcomes of debates that were told, each version, by whether the decision was right (yes, no)",
        "right",
    ),
    _counter(
        "aragora_km_revalidations_total",
        "Decisions that the server debated again by itself, by what came of it (confirmed, changed, undecided, failed)",
        "result",
    ),
    _counter(
        "aragora_km_cp_task_outcomes_total",
        "Attempts at tasks that the Knowledge Mound learnt from, each once, by type of task (debate, other) and by how "
        "they ended (completed, failed, lapsed, cancelled)",
        "type",
        "status",
    ),
    _counter(
        "aragora_km_cp_cross_workspace_shares_total",
        "Insights that workspaces shared with others, each once, also those that are not delivered",
    ),
    # webhooks
    _counter(
        "aragora_webhook_deliveries_total",
        "Delivery attempts by what came of them (delivered, failed, timeout, blocked)",
        "status",
        "event_type",
    ),
    _histogram(
        "aragora_webhook_delivery_latency_seconds",
        "Seconds until a receiver had answered, or failed to",
        "event_type",
        buckets=ANSWER_BUCKETS,
    ),
    _counter("aragora_webhook_retries_total", "Delivery attempts after the first of their delivery", "event_type"),
    _counter("aragora_webhook_dead_lettered_total", "Deliveries that became dead letters", "event_type"),
    _counter("aragora_webhook_cancelled_total", "Deliveries that were cancelled, or lost their endpoint"),
    _counter(
        "aragora_webhook_blocked_total",
        "Addresses that the guard refused, when they were registered and when they were sent to, by why",
        "reason",
    ),
    _histogram(
        "aragora_webhook_lag_seconds",
        "Seconds from an event to the first request of a delivery that nothing held back",
        buckets=LAG_BUCKETS,
    ),
    _gauge("aragora_webhook_in_flight", "Requests to receivers that are on their way"),
    _counter("aragora_webhook_replayed_total", "Deliveries that replays made or brought back"),
    _gauge(
        "aragora_webhook_circuit_breaker_state",
        "Circuit breaker of an endpoint: 1 it refuses, 0 it is closed or lets a trial pass",
        "endpoint",
        merge=Merge.MAX,
    ),
    _gauge("aragora_webhook_waiting", "Deliveries that wait, as old as half a minute", "state", merge=Merge.MAX),
    _gauge("aragora_webhook_endpoints", "Registered endpoints", "status", merge=Merge.MAX),
    _gauge(
        "aragora_webhook_oldest_due_seconds",
        "How long the delivery is overdue that waits longest though nothing holds it back",
        merge=Merge.MAX,
    ),
    _gauge(
        "aragora_webhook_oldest_held_seconds",
        "How long the delivery is overdue that waits longest for its receiver: its breaker, Retry-After, rate or order",
        merge=Merge.MAX,
    ),
    _gauge(
        "aragora_webhook_oldest_event_seconds",
        "How long the event waits of which no deliveries are made yet, of all the longest",
        merge=Merge.MAX,
    ),
    _counter(
        "aragora_webhook_purged_total",
        "What was deleted when its time was over (delivery, dead_letter, text, event)",
        "what",
    ),
    # integration store
    _counter("aragora_integration_store_operations_total", "Integration store operations", "operation", "status"),
    _histogram("aragora_integration_store_latency_seconds", "Seconds an integration store operation took", "operation"),
    _gauge("aragora_integration_store_health", "Integration store: 1 healthy, 0 unhealthy", "backend", merge=Merge.MIN),
    _gauge("aragora_integration_store_active_integrations", "Active integrations", merge=Merge.MAX),
    _gauge("aragora_integration_store_cache_hit_rate", "Integration store cache hit rate in percent", merge=Merge.MIN),
    _gauge("aragora_integration_store_consecutive_failures", "Integration store failures in a row", merge=Merge.MAX),
)

BY_NAME: Final[dict[str, Metric]] = {metric.name: metric for metric in METRICS}
