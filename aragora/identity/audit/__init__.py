"""The audit log: who did what, when, from where and with what outcome, in a chain that shows any change."""

from aragora.identity.audit.entry import GENESIS, AuditEntry, AuditEvent, Outcome, link
from aragora.identity.audit.verify import Finding, verify_chain

__all__ = ["GENESIS", "AuditEntry", "AuditEvent", "Finding", "Outcome", "link", "verify_chain"]
