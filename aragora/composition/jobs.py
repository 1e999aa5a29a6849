"""The durable jobs of all features. A feature that has work to be done once for all processes adds its line here.

The scheduler runs them (`SCHEDULER.brings`), in a process that serves no requests.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from actors.gateways.webhooks import watching
from actors.gateways.workflows import waking_workflows
from actors.runtime import Runtime
from aragora.background import Job
from aragora.clock import Clock, SystemClock
from aragora.composition.decision_parts import router_over
from aragora.composition.forgetting import forgetting_job
from aragora.composition.revalidating import revalidation
from aragora.config.settings import Settings
from aragora.control_plane.upkeep import forgetting_tasks, sweeping_tasks
from aragora.debate.store.debates import DebateStore
from aragora.decisions.store.requests import Requests
from aragora.decisions.upkeep import keeping_decisions
from aragora.identity.store.dead_keys import forgetting_keys
from aragora.identity.store.invitations import forgetting_invitations
from aragora.identity.store.sessions import forgetting_sessions
from aragora.knowledge.adapting import at_work
from aragora.knowledge.heeding import heeding_job, heeding_over
from aragora.knowledge.learning import ADAPTERS
from aragora.knowledge.relearning import Relearning, relearning_job
from aragora.knowledge.retention import forgetting_numbers
from aragora.knowledge.store.adapters import AdapterBook
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.relearnt import Relearnt
from aragora.knowledge.store.summaries import SummaryStore
from aragora.knowledge.store.tables import knowledge_applied
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.summarising import Summarising, summarising_job
from aragora.ranking.store import ratings_applied
from aragora.storage.applied import pruning
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.ephemeral import sweeping
from aragora.storage.outbox_store import OutboxStore
from aragora.usage.store import usage_applied
from aragora.webhooks.retention import DAY_S, Retention, retaining
from aragora.workflows.agreeing import agreeing
from aragora.workflows.retention import retaining_executions
from aragora.workflows.store.approvals import dropping, open_approvals
from aragora.workflows.store.approvals_sql import SqlApprovals


def jobs(opened: Callable[[Context], Database], settings: Settings) -> tuple[Job, ...]:
    """Every job, over stores that the caller has `opened` and closes."""
    clock = SystemClock()
    memory = opened(Context.MEMORY)
    writer = KnowledgeWriter(memory, clock)
    heeding = heeding_over(memory, writer)
    summarising = Summarising(SummaryStore(memory), writer, clock)
    debates, users, webhooks = opened(Context.DEBATES), opened(Context.USERS), opened(Context.WEBHOOKS)
    outbox, workflows = OutboxStore(debates), opened(Context.WORKFLOWS)
    return (
        pruning(opened(Context.ELO), ratings_applied, outbox, clock),
        pruning(opened(Context.USAGE), usage_applied, outbox, clock),
        pruning(opened(Context.MEMORY), knowledge_applied, outbox, clock),
        forgetting_sessions(users, clock),
        forgetting_keys(users, clock),
        forgetting_invitations(users, clock),
        sweeping(users, clock),
        watching(Runtime(settings), webhooks),
        waking_workflows(Runtime(settings), workflows),
        *((_agreeing(workflows, settings, clock),) if settings.approval_store_backend == "redis" else ()),
        forgetting_job(opened, settings, clock),
        heeding_job(heeding),
        *((relearning_job(_relearning(memory, debates, clock)),) if settings.knowledge else ()),
        *((revalidation(opened, settings, clock),) if settings.revalidates else ()),
        summarising_job(summarising, wanted=settings.enable_rlm_summaries),
        sweeping_tasks(debates, clock, told=settings.learns_from_tasks),
        forgetting_tasks(debates, clock),
        keeping_decisions(router_over(settings, debates, memory, clock), Requests(debates)),
        forgetting_numbers(memory, clock),
        retaining(webhooks, _webhook_retention(settings), clock),
        retaining_executions(
            opened(Context.WORKFLOWS), settings.workflow_execution_days * DAY_S, clock, dropping(settings)
        ),
    )


def _agreeing(workflows: Database, settings: Settings, clock: Clock) -> Job:
    return agreeing(SqlApprovals(workflows), partial(open_approvals, settings), clock)


def _relearning(memory: Database, debates: Database, clock: Clock) -> Relearning:
    journals, book = DebateStore(debates), AdapterBook(memory, OutboxStore(debates), clock)
    learners = at_work(ADAPTERS, memory, journals, book, clock)
    return Relearning(learners, journals, KnowledgeReader(memory), Relearnt(memory), clock)


def _webhook_retention(settings: Settings) -> Retention:
    return Retention(
        delivered_s=settings.webhook_delivered_days * DAY_S,
        texts_s=settings.webhook_answer_days * DAY_S,
        dead_letters_s=settings.webhook_dead_letter_days * DAY_S,
        dead_letters_max=settings.webhook_dead_letters_max,
    )
