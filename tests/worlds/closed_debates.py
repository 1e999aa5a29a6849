"""Debates of the machine that are journaled and closed as the server does it, with a fixed key and clock: what a
stranger exports of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from worlds import debating
from worlds.memory_engine import head_after

from aragora.debate.journal import rows_of
from aragora.debate.records import GENESIS, ChainHead, Journaled, ReceiptRecord
from aragora.receipts.canonical import canonical, digest, journal_digest
from aragora.receipts.closing import Closing
from aragora.receipts.signing import Signer

SIGNER = Signer.from_seed(bytes(range(32)))
STRANGER = Signer.from_seed(bytes(range(32, 64)))
OPENED_AT = 1_700_000_000.0


@dataclass(frozen=True)
class Exported:
    """The receipt as the server keeps it, and the whole journal, one envelope a line."""

    receipt: ReceiptRecord
    lines: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.receipt.document)
        return loaded

    @property
    def journal(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def head(self) -> ChainHead:
        return head_after(self.receipt)


def closed(run: debating.Run, after: ChainHead = GENESIS, opened_at: float = OPENED_AT) -> Exported:
    """The export of a debate that is decided, its receipt the next one of the chain."""
    debate_id = run.state.spec.debate_id
    events = tuple(run.events)
    lines = [row.payload for row in rows_of(debate_id, 1, opened_at, events)]
    journaled = Journaled(run.state, events, journal_digest(lines), len(lines), opened_at)
    end = Closing(SIGNER).conclude(journaled, after, opened_at + len(lines))
    lines += [row.payload for row in rows_of(debate_id, len(lines) + 1, opened_at + len(lines), end.endings)]
    return Exported(end.receipt, tuple(lines))


def signed_anew(document: dict[str, Any], lines: list[str]) -> tuple[str, str]:
    """What somebody makes who changes a receipt or its journal and has a key, as two files: hash and signature hold
    again, the digest is that of the journal as it is now, and the journal names this receipt."""
    length = document["journal"]["length"]
    changed = {name: value for name, value in document.items() if name not in ("hash", "signature")}
    changed["journal"] = {"sha256": journal_digest(lines[:length]), "length": length}
    changed |= {"key_id": STRANGER.key_id, "public_key": STRANGER.public_key}
    changed["hash"] = digest(canonical(changed))
    changed["signature"] = STRANGER.sign(changed["hash"])
    return canonical(changed).decode(), "".join(f"{_naming(changed, line)}\n" for line in lines)


def _naming(receipt: dict[str, Any], line: str) -> str:
    envelope = json.loads(line)
    if envelope["type"] != "receipt":
        return line
    envelope["data"] = {name: receipt[name] for name in envelope["data"]}
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False)
