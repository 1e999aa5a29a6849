"""The audit log: who did what, when, from where and with what outcome, in a chain that shows any change."""

from aragora.security.audit.entry import GENESIS, AuditEntry, AuditEvent, Outcome, link
from aragora.security.audit.verify import Finding, verify_chain

__all__ = ["GENESIS", "AuditEntry", "AuditEvent", "Finding", "Outcome", "link", "verify_chain"]
