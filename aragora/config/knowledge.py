"""The settings of the Knowledge Mound."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, SecretStr

from aragora.config.variables import DatabaseUrl, RedisUrl, WebAddress, WorkspaceName, variable


class AdapterProcesses(StrEnum):
    """How many processes the adapters of the Knowledge Mound have."""

    SHARED = "shared"  # one for all of them
    OWN = "own"  # one each
    AUTO = "auto"


class KnowledgeSettings(BaseModel):
    """Chapter `Knowledge Mound` of docs/ENVIRONMENT.md."""

    knowledge: bool = variable(
        "ARAGORA_KNOWLEDGE",
        "The Knowledge Mound learns from debates that end, and offers what it knows to those that open.",
        default=True,
    )
    knowledge_mound_database_url: DatabaseUrl | None = variable(
        "KNOWLEDGE_MOUND_DATABASE_URL",
        "PostgreSQL of the Knowledge Mound alone; unset: DATABASE_URL, or without that SQLite in the data directory.",
        allowed="postgresql://USER:PASSWORD@HOST/DATABASE",
    )
    knowledge_mound_redis_url: RedisUrl | None = variable(
        "KNOWLEDGE_MOUND_REDIS_URL",
        "Redis in which replicas share the answers of searches of the Knowledge Mound; unset: each keeps its own.",
        allowed="redis://HOST:PORT",
    )
    knowledge_adapter_processes: AdapterProcesses = variable(
        "ARAGORA_KNOWLEDGE_ADAPTER_PROCESSES",
        "Processes of the adapters that learn from debates, about 90 MB each: one that they share, or one each, "
        "spread over the nodes of a cluster. auto: one each where the service is started on eight cores or more.",
        default=AdapterProcesses.AUTO,
    )
    knowledge_look_s: float = variable(
        "ARAGORA_KNOWLEDGE_LOOK_S",
        "Seconds that a debate looks for knowledge at its opening; then it goes on without.",
        default=0.15,
        ge=0.01,
        le=10,
    )
    enable_rlm_summaries: bool = variable(
        "ARAGORA_ENABLE_RLM_SUMMARIES",
        "Condense what workspaces know into summaries of extracted sentences: a search of these alone is quick, and "
        "debates are offered one in place of three or more items.",
        default=False,
    )
    knowledge_insight_confidence_min: float = variable(
        "ARAGORA_KNOWLEDGE_INSIGHT_CONFIDENCE_MIN",
        "Confidence below which an insight that a workspace shares with others is kept and not delivered.",
        default=0.6,
        ge=0,
        le=1,
    )
    knowledge_revalidation: bool = variable(
        "ARAGORA_KNOWLEDGE_REVALIDATION",
        "Debate decisions again that are disputed, or past the time that they are good for, in the name of whoever "
        "asked for the debate that came to them.",
        default=False,
    )
    knowledge_revalidation_debates_a_day: int = variable(
        "ARAGORA_KNOWLEDGE_REVALIDATION_DEBATES_A_DAY",
        "So many of these debates are opened a day (UTC), of all organisations together.",
        default=5,
        ge=1,
        le=1_000,
    )
    knowledge_revalidation_usd_a_day: float = variable(
        "ARAGORA_KNOWLEDGE_REVALIDATION_USD_A_DAY",
        "USD that these debates of a day may cost together; the monthly budgets hold besides.",
        default=5.0,
        ge=0,
        le=10_000,
    )
    knowledge_embeddings_url: WebAddress | None = variable(
        "ARAGORA_KNOWLEDGE_EMBEDDINGS_URL",
        "Address with OpenAI's interface that turns texts into vectors; unset: the embedded model does.",
        allowed="an http:// or https:// address, up to and without /embeddings",
    )
    knowledge_embeddings_key: SecretStr | None = variable(
        "ARAGORA_KNOWLEDGE_EMBEDDINGS_KEY", "Key for that address; unset: it wants none."
    )
    knowledge_embeddings_model: str = variable(
        "ARAGORA_KNOWLEDGE_EMBEDDINGS_MODEL", "Model to ask for there.", default="text-embedding-3-small"
    )
    knowledge_embeddings_dimension: int = variable(
        "ARAGORA_KNOWLEDGE_EMBEDDINGS_DIMENSION",
        "Numbers of each of that model's vectors.",
        default=1_536,
        ge=8,
        le=8_192,
    )
    cp_enable_km: bool = variable(
        "CP_ENABLE_KM",
        "The control plane recommends agents by what came of tasks, and the Knowledge Mound learns from that; false: in "
        "the order of the catalogue, and says so, and nothing is learnt from tasks.",
        default=True,
    )
    cp_km_workspace: WorkspaceName = variable(
        "CP_KM_WORKSPACE",
        "Workspace of tasks and recommendations whose caller names none, in Python (open_coordinator).",
        default="default",
        allowed="1 to 64 letters, digits, dots, underscores and hyphens",
    )

    @property
    def revalidates(self) -> bool:
        """Whether decisions are debated again. Where nothing is learnt, nothing is known to be due."""
        return self.knowledge and self.knowledge_revalidation

    @property
    def learns_from_tasks(self) -> bool:
        """Whether what comes of tasks is told to the Knowledge Mound. Where it is not, nobody would take it."""
        return self.knowledge and self.cp_enable_km
