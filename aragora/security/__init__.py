"""Names that the operations runbook shows; the code is in `aragora.secrets` and `aragora.identity`."""
