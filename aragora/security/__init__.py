"""Names that the operations runbook and docs/security.md show; the code is in `aragora.secrets` and `aragora.cli`."""
