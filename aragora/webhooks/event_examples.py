"""An example of each event that webhooks tell, as people read it in the API and in the documentation."""

from __future__ import annotations

from typing import Final

from aragora.debate.hints import OfferedCrux, OfferedIssue, OfferedPrior
from aragora.debate.knowledge import DECISION, OfferedItem, digest_of, question_digest
from aragora.debate.model import (
    AgentFailed,
    AgreementChallenged,
    AnswerGiven,
    AskKind,
    ConsensusMode,
    ConsensusReached,
    ConvergenceMeasured,
    CritiqueGiven,
    DebateEnded,
    DebateOpened,
    DebateSpec,
    DebateStatus,
    Decision,
    Dissent,
    Fallback,
    FallbackUsed,
    KnowledgeCited,
    KnowledgeOffered,
    Participation,
    Position,
    Protocol,
    ReceiptIssued,
    Tally,
    Topology,
    Usage,
    VoteCast,
)
from aragora.webhooks.operational import (
    WebhookDisabled,
    WebhookExhausted,
    WebhookFailing,
    WebhookRecovered,
    WebhookTested,
    WebhookVerification,
)
from aragora.webhooks.workflow_events import (
    WorkflowApprovalClosed,
    WorkflowApprovalEscalated,
    WorkflowApprovalReminded,
    WorkflowApprovalRequested,
    WorkflowExecutionEnded,
    WorkflowNotified,
)

EXECUTION_ID: Final = "exe_0197a3c41f2b7d5e8c6a9b0d1e2f3a4e"
WORKFLOW_ID: Final = "wf_0197a3c41f2b7d5e8c6a9b0d1e2f3a4f"
DEBATE_ID: Final = "deb_0197a3c41f2b7d5e8c6a9b0d1e2f3a4b"
_APPROVAL_ID: Final = "apr_0197a3c41f2b7d5e8c6a9b0d1e2f3a54"
_APPROVAL: Final = ("sign_off", _APPROVAL_ID, "Release 4.2?")
_WEBHOOK_ID: Final = "wh_0197a3c41f2b7d5e8c6a9b0d1e2f3a4c"

_USAGE: Final = Usage("anthropic", "claude-sonnet-4-5", 812, 164, 0.0049, 2.31)
_FALLBACK: Final = Fallback("openai", "openrouter", "openai/gpt-5", "overloaded", 1.72)
_POSTGRESQL: Final = Position("PostgreSQL", "claude", ("claude", "gemini"))
_SQLITE: Final = Position("SQLite", "gpt", ("gpt",))


_QUESTION: Final = "Which database should the service use?"
_KNOWN: Final = "Two nodes wrote to one SQLite file over NFS, and it was damaged twice."


def _ask(kind: AskKind, agent: str) -> str:
    return f"{DEBATE_ID}/1/{kind}/{agent}"


EXAMPLES: Final[tuple[object, ...]] = (
    DebateOpened(
        DebateSpec(
            debate_id=DEBATE_ID,
            question=_QUESTION,
            agents=("claude", "gpt", "gemini"),
            protocol=Protocol("structured", topology=Topology.POSITIONS, positions=True, settles=True),
            seed=7,
            context="Two nodes, some 200 writes a second.",
            domain="software",
            options=("PostgreSQL", "SQLite"),
            knowledge=True,
        )
    ),
    KnowledgeOffered(
        (
            OfferedItem(
                label="K1",
                item_id="kno_0197a3c41f2b7d5e8c6a9b0d1e2f3a50",
                version=2,
                digest=digest_of(_KNOWN),
                kind=DECISION,
                text=_KNOWN,
                confidence=0.78,
                confidence_words="likely",
                at=1_772_366_400.0,
                source_debate_id="deb_0197a3c41f2b7d5e8c6a9b0d1e2f3a51",
                source_receipt_id="rcp_0197a3c41f2b7d5e8c6a9b0d1e2f3a51",
                source_receipt_hash="7b" * 32,
                roots=2,
                dissent="The file system was at fault.",
                question_digest=question_digest(_QUESTION),
                position="PostgreSQL",
            ),
        ),
        checklist=(
            OfferedIssue(
                text="It does not say what happens when the file system loses a lock.",
                item_id="kn_0197a3c41f2b7d5e8c6a9b0d1e2f3a52",
                debates=4,
                effective=0.75,
            ),
        ),
        priors=(
            OfferedPrior(
                position="PostgreSQL",
                item_id="kn_0197a3c41f2b7d5e8c6a9b0d1e2f3a53",
                share=0.73,
                debates=2,
                of=3,
            ),
        ),
        cruxes=(
            OfferedCrux(
                text="The file system keeps its locks over NFS.",
                item_id="kn_0197a3c41f2b7d5e8c6a9b0d1e2f3a54",
                debates=2,
            ),
        ),
    ),
    AnswerGiven(
        round=1,
        agent="claude",
        ask_id=_ask(AskKind.PROPOSE, "claude"),
        kind=AskKind.PROPOSE,
        content="PostgreSQL: two nodes write at the same time.",
        confidence=0.8,
        evidence=("SQLite serves one node.", "K1"),
        usage=_USAGE,
        option="PostgreSQL",
    ),
    KnowledgeCited(round=1, agent="claude", ask_id=_ask(AskKind.PROPOSE, "claude"), labels=("K1",)),
    CritiqueGiven(
        round=1,
        agent="claude",
        target="gpt",
        ask_id=f"{_ask(AskKind.CRITIQUE, 'claude')}>gpt",
        issues=("The second node cannot open the file.",),
        suggestions=("Say what happens when there are two nodes.",),
        severity=0.7,
        usage=_USAGE,
    ),
    VoteCast(
        round=1,
        agent="gemini",
        ask_id=_ask(AskKind.VOTE, "gemini"),
        kind=AskKind.VOTE,
        choice="claude",
        confidence=0.75,
        reason="Two nodes need a server.",
        ranking=(),
        usage=_USAGE,
    ),
    AgentFailed(
        round=1,
        agent="gpt",
        ask_id=_ask(AskKind.VOTE, "gpt"),
        code="deadline",
        message="gpt did not answer within 120 s, when this phase closed.",
    ),
    FallbackUsed(round=1, agent="gpt", ask_id=_ask(AskKind.PROPOSE, "gpt"), fallback=_FALLBACK, succeeded=True),
    ConvergenceMeasured(
        round=1,
        similarity=0.41,
        converged=False,
        agreement=0.6666666666666666,
        positions=(_POSTGRESQL, _SQLITE),
        found_by="options",
    ),
    AgreementChallenged(
        round=1,
        reasons=("All agree, and no two for the same reason.",),
        challenge="Give your own reasons, or change your mind.",
    ),
    ConsensusReached(
        round=1,
        decision=Decision(
            reached=True,
            answer="PostgreSQL: two nodes write at the same time.",
            winner="claude",
            confidence=0.6666666666666666,
            mode=ConsensusMode.MAJORITY,
            tallies=(
                Tally("claude", 2, 1.5, ("claude", "gemini"), "PostgreSQL", ("claude", "gemini")),
                Tally("gpt", 0, 0.0, (), "SQLite", ("gpt",)),
            ),
            dissent=(Dissent("gpt", "SQLite", "One file is simpler to keep."),),
            rounds=1,
            cost_usd=0.0312,
            position="PostgreSQL",
            headline="PostgreSQL, by 2 of 3.",
            support="2 of the 3 who could vote.",
            participation=Participation(
                asked=("claude", "gpt", "gemini"),
                answered=("claude", "gpt", "gemini"),
                entitled=("claude", "gpt", "gemini"),
                voted=("claude", "gemini"),
                absent=(),
                providers=("anthropic", "openrouter", "gemini"),
                models=("anthropic/claude-sonnet-4-5", "openrouter/openai/gpt-5", "gemini/gemini-2.5-pro"),
            ),
        ),
    ),
    ReceiptIssued(
        receipt_id="rcp_0197a3c41f2b7d5e8c6a9b0d1e2f3a4d",
        position=42,
        hash="9f" * 32,
        previous_hash="3c" * 32,
        signature="5a" * 64,
        key_id="d1" * 16,
    ),
    DebateEnded(DebateStatus.COMPLETED, "decided", rounds=1, cost_usd=0.0312),
    WorkflowNotified("tell", "Release 4.2 goes out.", {"service": "billing"}),
    WorkflowApprovalRequested(
        *_APPROVAL, ("role:owner",), {"decision": "PostgreSQL, by 2 of 3."}, deadline_at=1_772_452_800.0
    ),
    WorkflowApprovalReminded(*_APPROVAL, ("role:owner",), deadline_at=1_772_452_800.0),
    WorkflowApprovalEscalated(*_APPROVAL, ("role:owner", "user:ann"), level=1, deadline_at=1_772_539_200.0),
    WorkflowApprovalClosed(*_APPROVAL, "approved", "approved by ann"),
    WorkflowExecutionEnded("completed", "", "", 0.0312, {"released": True}),
    WebhookFailing(_WEBHOOK_ID, 5, "2026-03-01T12:00:00.000Z", "The receiver answered 503.", 503),
    WebhookRecovered(_WEBHOOK_ID, "2026-03-01T12:00:00.000Z", waiting=12),
    WebhookExhausted(_WEBHOOK_ID, f"dlv_{'4e' * 16}", "debate_end", 10, 3, "The receiver did not answer within 30 s."),
    WebhookDisabled(_WEBHOOK_ID, "The receiver answered 410: it wants nothing more."),
    WebhookTested(_WEBHOOK_ID),
    WebhookVerification(_WEBHOOK_ID, "an-example-to-be-sent-back-as-it-stands"),
)
"""One of each kind."""
