"""The executions behind docs/spec/execution_vectors: debates, an approval by two people, a bypass, a retry.

`PYTHONPATH=.:tests python -m worlds.execution_receipts` writes the files anew; a test compares them byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from worlds.workflowing import Execution, approval, ask, chain, debate, definition

from aragora.debate.records import GENESIS
from aragora.receipts.canonical import canonical, digest, journal_digest
from aragora.receipts.closing import sealed
from aragora.receipts.signing import Signer
from aragora.workflows import approving, journal, machine
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.model import Mode, ReceiptIssued, Verdict
from aragora.workflows.proof import KIND, body_of, owed_ends, receipt_id_of

SIGNER: Final = Signer.from_seed(bytes(range(32)))
FOLDER: Final = Path(__file__).parents[2] / "docs" / "spec" / "execution_vectors"
ISSUED: Final = 2_000_000.0
DEBATE: Final[dict[str, Any]] = {
    "debate_id": "deb_1",
    "receipt_id": "rcp_1",
    "receipt_hash": "ab" * 32,
    "reached": True,
    "confidence": 0.75,
    "answer": "Go.",
}


def released() -> Execution:
    """A debate, then an approval by two of the owners, then a single ask that fails and is forgiven."""
    steps = chain(debate("judge"), approval("sign", title="Release it?", quorum=2), ask("tell", optional=True))
    execution = _begun(steps, {"version": "2"}, outputs={"answer": "steps.judge.answer"})
    execution.accepted("judge", "deb_1")
    execution.done("judge", 2_500_000, **DEBATE)
    execution.wait(60)
    execution.answer("sign", "bob", comment="Tested by hand.")
    execution.answer("sign", "carol")
    execution.failed("tell")
    return execution


def retried() -> Execution:
    """Somebody approves in place of another; the step after that fails; it is retried with another question."""
    steps = chain(approval("sign", title="Pay it?", approvers=["user:zoe"]), debate("check"))
    execution = _begun(steps, {})
    execution.wait(30)
    known = execution.state.approvals[execution.state.runs["sign"].approval_id]
    root = Answerer("root", ("admin",), Mode.SECOND_FACTOR, may_bypass=True)
    word = Word(Verdict.APPROVE, "She is ill.", digest=known.digest, bypass=True)
    execution.happen(approving.answer(known, root, word, execution.now, "answer 1"))
    execution.failed("check")
    execution.happen(ReceiptIssued(receipt_id_of("exe_1", 1), 1, "cd" * 32))
    execution.wait(30)
    execution.happen(machine.retry(execution.state, "ann", "check", {"question": "Again?"}, execution.now))
    execution.done("check", 1_000_000, **{**DEBATE, "reached": False, "confidence": 0.5})
    return execution


def _begun(steps: list[Mapping[str, Any]], inputs: dict[str, Any], **rest: Any) -> Execution:
    written = {"name": "a workflow", "steps": steps, **rest}
    return Execution(definition(*steps, **rest), inputs, digest=digest(canonical(written)))


VECTORS: Final = {"released": (released, 1), "retried": (retried, 2)}
"""By name: the execution, and the end that its receipt is of."""


def payloads_of(execution: Execution) -> list[str]:
    """The journal as it is exported."""
    return [journal.row_of("exe_1", seq, at, event).payload for seq, (at, event) in enumerate(execution.events, 1)]


def told(execution: Execution, end: int = 1) -> dict[str, Any]:
    """What the receipt of an end says."""
    ends = {one.number: one.seq for one in owed_ends("exe_1", [event for _, event in execution.events])}
    events = execution.events[: ends[end]]
    return body_of(execution.definition, events, journal_digest(payloads_of(execution)[: ends[end]]), end, ISSUED)


def document_of(body: dict[str, Any]) -> str:
    """The signed receipt of what it says, the first of its chain."""
    receipt_id = body["receipt_id"]
    return sealed(body, GENESIS, SIGNER, receipt_id=receipt_id, debate_id=receipt_id, at=ISSUED, kind=KIND).document


def made(name: str) -> tuple[str, str]:
    """The journal and the receipt of a vector."""
    build, end = VECTORS[name]
    execution = build()
    return "".join(f"{payload}\n" for payload in payloads_of(execution)), document_of(told(execution, end))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in VECTORS:
        exported, document = made(each)
        (FOLDER / f"{each}.jsonl").write_text(exported)
        (FOLDER / f"{each}.json").write_text(f"{document}\n")
